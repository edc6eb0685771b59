"""The command line that detection and segmentation share. Imports nothing heavy, so that ``--help`` is instant."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backbones.cli.guidance import after_transfer
from backbones.cli.options import WEIGHTS_HELP, add_allow_shared_images, add_parts, natural_int, positive_int
from backbones.runs.keeping import KEEP_HELP, KEEPS, WEIGHTS


def add_transfer_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a transfer; their names are the fields of ``transfer.run.request.TransferOptions``."""
    _add_subject(parser)
    _add_computation(parser)
    _add_output(parser)
    _add_configuration(parser)


def _add_subject(parser: argparse.ArgumentParser) -> None:
    """What is transferred, to which data."""
    parser.add_argument("config", help="protocol file of det_configs/ or seg_configs/")
    parser.add_argument("--backbone", required=True, help=WEIGHTS_HELP)
    parser.add_argument("--out", help="run folder to make")
    parser.add_argument("--data", help="data set folder (default: the configuration's data_root)")
    parser.add_argument(
        "--classes", help="file of class names, one per line (default: classes.txt in the data, else the benchmark's)"
    )
    parser.add_argument(
        "--seed", type=natural_int, default=0, help="seed of heads, data order and random trunk (default: 0)"
    )
    add_parts(parser)


def _add_computation(parser: argparse.ArgumentParser) -> None:
    """How it is computed."""
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="auto: bf16 where the machine is fast at it",
    )
    parser.add_argument(
        "--accumulate",
        type=positive_int,
        default=1,
        metavar="N",
        help="cut the images of each process into N parts for a step (default: 1); all else stays as it is but what "
        "BatchNorm sees",
    )
    parser.add_argument(
        "--total-batch",
        type=positive_int,
        metavar="N",
        help="images per update over all processes in place of the protocol's; learning rate and iterations follow",
    )
    parser.add_argument("--workers", type=natural_int, help="processes that load images (default: the configuration's)")
    add_allow_shared_images(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    """What is done with the run folder, or in place of a run."""
    parser.add_argument("--resume", action="store_true", help="continue the run that --out holds")
    parser.add_argument("--keep", choices=KEEPS, default=WEIGHTS, help=f"{KEEP_HELP} (%(default)s)")
    parser.add_argument(
        "--validate-every",
        type=positive_int,
        metavar="N",
        help="evaluate, by single scale, every N epochs or iterations (what the protocol counts) and keep the weights "
        "of the best one; the training and its result, which is always that of the last weights, stay the same",
    )
    parser.add_argument("--tensorboard", action="store_true", help="write RUN/tensorboard too")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run", action="store_true", help="build, prove, try a few steps, print plan and cost; write nothing"
    )
    instead.add_argument(
        "--dump-config", metavar="FILE.py", help="write a configuration for OpenMMLab's own train script, and end"
    )


def _add_configuration(parser: argparse.ArgumentParser) -> None:
    """What of the protocol is changed."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="settings to change in the configuration; may be given more than once",
    )
    parser.add_argument(
        "--tuned-over",
        type=natural_int,
        metavar="N",
        help="tuned arm of the comparison: the chosen one of N optimizer settings or schedules tried for this row",
    )


def parse_transfer_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> dict[str, Any]:
    """The options by name; ends the program where a run has no folder to go to."""
    options = vars(parser.parse_args(arguments))
    if not (options["out"] or options["dry_run"] or options["dump_config"]):
        parser.error("--out is required, except with --dry-run or --dump-config")
    if options["split_seed"] and options["split"] is None:
        parser.error("--split-seed is of use with --split alone")
    if options["dump_config"] and (options["validate_every"] or options["tensorboard"]):
        parser.error("--dump-config writes the training alone, without --validate-every and --tensorboard")
    return options


def print_result(result: Mapping[str, Any], out: str | None = None) -> None:
    """Print the metrics of a run, one per line, where they are, and what comes next; of an empty result nothing."""
    metrics = result.get("metrics", {})
    width = max(map(len, metrics), default=0)
    for name, value in metrics.items():
        print(f"{name:<{width}} {value:6.2f} %", flush=True)
    if metrics and out is not None:
        folder = Path(out)
        pictures = f", pictures in {folder / 'pictures'}" if result.get("pictures") else ""
        print(f"written: {folder / 'result.json'}{pictures}", flush=True)
        after_transfer(out)
