"""Train a classifier by one of the paper's recipes; write backbone.safetensors and result.json."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import after_classifier, starting
from backbones.cli.options import (
    WEIGHTS_HELP,
    OneOrSeveral,
    add_allow_shared_images,
    add_parts,
    fraction,
    natural_int,
    positive_float,
    positive_int,
)
from backbones.errors import UserError
from backbones.machine.place import leads
from backbones.machine.processes import loader_workers
from backbones.recipes.recipe import COLORS, recipe_list
from backbones.runs.keeping import KEEP_HELP, KEEPS, WEIGHTS
from backbones.training.request import ClassificationRequest

EXAMPLE = """examples:
  python tools/train_cls.py --data DIR --network resnet18_d --recipe d-smooth --epochs 10 --batch-size 128 \\
      --image-size 64 --seed 0 --out RUN
  python tools/train_cls.py --data DIR --network mobilenet_v1 --recipe d-smooth --without zero-gamma --with mixup \\
      --dry-run
  torchrun --nproc-per-node 8 tools/train_cls.py --data IMAGENET --network resnet50_d --recipe d-mixup --out RUN

Tricks and recipes of your own: docs/plugins.md.
"""


def build_parser() -> CommandParser:
    """The options; those without a default come from the recipe or the network."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument(
        "--data", type=pathlib.Path, help="folder with train/CLASS/IMAGE and val/CLASS/IMAGE, or as in docs/data.md"
    )
    add_parts(parser)
    parser.add_argument("--network", help="by name, or timm:NAME; 'list' or 'list:timm:regnety_*' prints them")
    parser.add_argument("--out", type=pathlib.Path, help="run folder, new or to be resumed; not needed for a dry run")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out exactly where it stopped")
    parser.add_argument("--keep", choices=KEEPS, default=WEIGHTS, help=f"{KEEP_HELP} (%(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="print plan, schedule and cost; train nothing")
    add_allow_shared_images(parser)
    parser.add_argument("--seed", type=natural_int, default=0, help="decides every random number (%(default)s)")
    _add_recipe_options(parser.add_argument_group("recipe"))
    _add_extra_options(parser.add_argument_group("beyond the paper"))
    _add_machine_options(parser.add_argument_group("machine"))
    return parser


def _add_recipe_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--recipe", metavar="NAME|FILE.yaml", help="by name, or your own; 'list' prints them with the paper's numbers"
    )
    group.add_argument(
        "--plugin", type=pathlib.Path, metavar="FILE.py", help="run this file of yours for its tricks and recipes"
    )
    tricks: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "TRICK"}
    group.add_argument(
        "--with", **tricks, dest="switched_on", help="switch on: NAME or NAME=VALUE (warmup: in epochs of the recipe)"
    )
    group.add_argument("--without", **tricks, dest="switched_off", help="switch off")
    group.add_argument("--epochs", type=positive_int, help="default: the recipe's; warmup and milestones scale along")
    group.add_argument("--batch-size", type=positive_int, help="images per update (default: the recipe's)")
    group.add_argument("--lr", type=positive_float, help="learning rate after warmup (default: the recipe's rule)")
    group.add_argument("--image-size", type=positive_int, help="side of the crop in pixels (224; Inception-V3 299)")
    colors = "; ".join(f"{name}: {coefficients}" for name, coefficients in COLORS.items())
    group.add_argument("--color", choices=tuple(COLORS), help=f"{colors}, at random (default: the recipe's, paper)")
    group.add_argument(
        "--teacher",
        type=pathlib.Path,
        nargs="+",
        action=OneOrSeveral,
        metavar="WEIGHTS",
        help=f"teacher of a distillation, or several, of whose probabilities it is the mean: {WEIGHTS_HELP}",
    )


def _add_extra_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--init-from", type=pathlib.Path, metavar="WEIGHTS", help="fine-tune its trunk, and its head if it fits"
    )
    group.add_argument("--auxiliary", action="store_true", help="Inception-V3's second head while training")
    group.add_argument("--ema", type=fraction, metavar="DECAY", help="evaluate and save averaged weights (0.9999)")
    group.add_argument("--clip", type=positive_float, metavar="NORM", help="bound the norm of the gradient")
    group.add_argument("--accumulate", type=positive_int, default=1, help="cut a batch into N parts (%(default)s)")
    group.add_argument("--drop-path", type=fraction, metavar="P", help="stochastic depth (timm:NAME only)")
    group.add_argument("--grad-checkpointing", action="store_true", help="recompute activations (timm:NAME only)")
    group.add_argument("--tensorboard", action="store_true", help="write RUN/tensorboard too")
    group.add_argument("--wandb", metavar="PROJECT", help="log to Weights & Biases too")


def _add_machine_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--workers", type=natural_int, default=loader_workers(), help="loader processes (%(default)s)")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    group.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16", "fp16"), help="(%(default)s)")
    group.add_argument("--sync-bn", action="store_true", help="BatchNorm over the batches of all GPUs")


def read_request(options: Mapping[str, Any]) -> ClassificationRequest:
    """The request that parsed options make."""
    tricks = {name: tuple(options[name]) for name in ("switched_on", "switched_off")}
    others = {name: value for name, value in options.items() if name != "lr"}
    return ClassificationRequest(**{**others, **tricks, "learning_rate": options["lr"]})


def print_networks(option: str) -> None:
    """What ``--network list`` asks for, line by line."""
    from backbones.profiling.network_list import network_list

    for line in network_list(option):
        print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or print a list of names."""
    options = vars(build_parser().parse_args(arguments))
    if options["recipe"] == "list":
        if options["plugin"]:
            from backbones.recipes.plugin import load_plugin

            load_plugin(options["plugin"])
        return print(recipe_list())
    if (options["network"] or "").partition(":")[0] == "list":
        return print_networks(options["network"])
    needed = ("data", "network", "recipe") if options["dry_run"] else ("data", "network", "recipe", "out")
    missing = [f"--{name}" for name in needed if options[name] is None]
    if missing:
        raise UserError(f"{', '.join(missing)} not given; see --help")

    starting("loading PyTorch")
    from backbones.training.run import run_classification

    result = run_classification(read_request(options))
    if result and leads():
        metrics, bundle = result["metrics"], options["out"] / "backbone.safetensors"
        print(f"top-1 {metrics['top1']:.2f} %, top-5 {metrics['top5']:.2f} %: {bundle}", flush=True)
        after_classifier(options["out"], options["data"])


if __name__ == "__main__":
    run_command(main)
