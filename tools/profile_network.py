"""Measure what networks cost: parameters, multiply-adds, activation memory, images per second; regenerate Table 5."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import starting
from backbones.cli.options import positive_int

EXAMPLE = """examples:
  python tools/profile_network.py resnet18_d --image-size 64
  python tools/profile_network.py --table5 --out docs/networks.json --markdown docs/networks.md
  python tools/profile_network.py --out docs/networks.json --markdown docs/networks.md     # the document alone, again
"""


def build_parser() -> CommandParser:
    """Options of this tool."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="'tools/train_cls.py --network list' names them")
    parser.add_argument("--table5", action="store_true", help="the paper's four ResNet-50, before any NETWORK")
    parser.add_argument("--image-size", type=positive_int, help="pixels (default: 224, for an Inception 299)")
    parser.add_argument("--batch-size", type=positive_int, default=8, help="images per step (%(default)s)")
    parser.add_argument("--samples", type=positive_int, default=5, help="timings per median, 5 or more (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16", "fp16"), help="(%(default)s)")
    parser.add_argument("--out", type=pathlib.Path, metavar="JSON", help="write the numbers there")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="write the document there; wants --out")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the files that were asked for."""
    options = vars(build_parser().parse_args(arguments))
    starting("loading")
    from backbones.profiling.table import network_summary, profile_to_files

    print(network_summary(profile_to_files(**options)))


if __name__ == "__main__":
    run_command(main)
