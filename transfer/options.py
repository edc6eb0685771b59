"""The command line that detection and segmentation share. Imports nothing heavy, so that ``--help`` is instant."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from backbones.options import natural_int


def add_transfer_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a transfer; their names are the fields of ``transfer.run.TransferOptions``."""
    parser.add_argument("config", help="protocol file of det_configs/ or seg_configs/")
    parser.add_argument("--backbone", required=True, help="backbone.safetensors of a run, or random:NETWORK")
    parser.add_argument("--out", required=True, help="run folder to make")
    parser.add_argument("--data", help="data set folder (default: the configuration's data_root)")
    parser.add_argument(
        "--classes", help="file of class names, one per line (default: classes.txt in the data, else the benchmark's)"
    )
    parser.add_argument(
        "--seed", type=natural_int, default=0, help="seed of heads, data order and random trunk (default: 0)"
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="auto: bf16 where the machine is fast at it",
    )
    parser.add_argument("--workers", type=natural_int, help="processes that load images (default: the configuration's)")
    parser.add_argument("--resume", action="store_true", help="continue the run that --out holds")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="settings to change in the configuration"
    )


def print_result(result: Mapping[str, Any]) -> None:
    """Print the metrics of a run, one per line."""
    width = max(map(len, result["metrics"]))
    for name, value in result["metrics"].items():
        print(f"{name:<{width}} {value:6.2f} %")
