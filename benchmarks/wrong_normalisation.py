"""What does a wrong input contract cost? A bundle whose weights are fed ImageNet's usual mean and std, although they
were trained with others.

    python -m benchmarks.wrong_normalisation lite0.safetensors --out lite0-wrong.safetensors

Whatever then trains on the bundle normalises by what its header says, and that is wrong: the tensors are untouched.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from backbones.bundles.bundle import Bundle, read_bundle, save_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.cli.command import CommandParser, run_command
from backbones.errors import UserError

SUFFIX = ", wrong normalisation"


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = CommandParser(description=(__doc__ or "").partition("\n\n")[0], prog="wrong_normalisation")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="whose weights to take")
    parser.add_argument("--out", type=Path, required=True, help="the bundle to write")
    return parser.parse_args(words)


def mistaken(bundle: Bundle) -> Bundle:
    """The bundle with ImageNet's usual mean and std in its header, and a name that says so.

    Raises:
        UserError: They are its own.
    """
    usual = imagenet_contract(224)
    if (usual.mean, usual.std) == (bundle.input_contract.mean, bundle.input_contract.std):
        raise UserError(f"{bundle.source}: ImageNet's usual mean and std are its own; take weights that have others")
    return replace(
        bundle,
        input_contract=replace(bundle.input_contract, mean=usual.mean, std=usual.std),
        training={**bundle.training, "recipe": f"{bundle.training.get('recipe')}{SUFFIX}"},
    )


def main(words: Sequence[str] | None = None) -> None:
    options = parse(words)
    print(f"{save_bundle(options.out, mistaken(read_bundle(options.bundle))).source}")


if __name__ == "__main__":
    run_command(main)
