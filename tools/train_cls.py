"""Train a classifier by one of the paper's recipes; write backbone.safetensors and result.json."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.command import run_command
from backbones.errors import UserError
from backbones.options import natural_int, positive_float, positive_int
from backbones.recipes import recipe_list

EXAMPLE = """example:
  python tools/train_cls.py --data DIR --network resnet18_d --recipe d-smooth --epochs 10 --batch-size 128 \\
      --image-size 64 --seed 0 --out RUN
"""


def build_parser() -> argparse.ArgumentParser:
    """The options; those without a default come from the recipe."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", type=pathlib.Path, help="folder with train/CLASS/IMAGE and val/CLASS/IMAGE")
    parser.add_argument("--network", help="network by name; 'list' prints the names")
    parser.add_argument("--recipe", help="recipe by name; 'list' explains them")
    parser.add_argument("--out", type=pathlib.Path, help="run folder, new or to be resumed")
    parser.add_argument("--epochs", type=positive_int, help="default: the recipe's; its turning points scale along")
    parser.add_argument("--batch-size", type=positive_int, help="images per update (default: the recipe's)")
    parser.add_argument("--lr", type=positive_float, help="learning rate after warmup (default: the recipe's rule)")
    parser.add_argument("--image-size", type=positive_int, default=224, help="side of the crop in pixels (%(default)s)")
    parser.add_argument("--seed", type=natural_int, default=0, help="decides every random number (%(default)s)")
    parser.add_argument("--workers", type=natural_int, default=default_workers(), help="loader processes (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16", "fp16"), help="(%(default)s)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out exactly where it stopped")
    return parser


def default_workers() -> int:
    """One per core this process may use, up to 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or print a list of names."""
    options = vars(build_parser().parse_args(arguments))
    if options["recipe"] == "list":
        return print(recipe_list())
    if options["network"] == "list":
        from backbones.models import list_backbones

        return print("\n".join(list_backbones()))
    missing = [f"--{name}" for name in ("data", "network", "recipe", "out") if options[name] is None]
    if missing:
        raise UserError(f"{', '.join(missing)} not given; see --help")

    from backbones.classification import ClassificationRequest, run_classification

    result = run_classification(ClassificationRequest(learning_rate=options.pop("lr"), **options))
    metrics = result["metrics"]
    print(f"top-1 {metrics['top1']:.2f} %, top-5 {metrics['top5']:.2f} %: {options['out'] / 'backbone.safetensors'}")


if __name__ == "__main__":
    run_command(main)
