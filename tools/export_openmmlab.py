"""Write a bundle's weights for the stock ResNet of mmdetection or mmsegmentation, or for timm, and what they need."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command

EXAMPLE = """examples:
  python tools/export_openmmlab.py runs/cls/backbone.safetensors --style mmdet --out resnet50_d.pth
  python tools/export_openmmlab.py runs/cls --style mmseg --out resnet50_d.pth --force
  python tools/export_openmmlab.py runs/cls-regnet --style timm --out regnety_004.safetensors
"""


def build_parser() -> CommandParser:
    """The options."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument(
        "bundle", type=pathlib.Path, metavar="BUNDLE", help="a backbone.safetensors, or the run folder it is in"
    )
    parser.add_argument("--style", required=True, choices=("mmdet", "mmseg", "timm"), help="for whom")
    parser.add_argument(
        "--out", required=True, type=pathlib.Path, metavar="FILE", help="the .pth to write; FILE.json goes beside it"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE and FILE.json")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Export, and print what became of the tensors and the configuration to use."""
    options = build_parser().parse_args(arguments)
    if options.style == "timm":
        from backbones.external.timm_export import export_timm_file

        return print(*export_timm_file(options.bundle, options.out, options.force).lines(), sep="\n")
    from transfer.openmmlab.export import export_file

    print(*export_file(options.bundle, options.style, options.out, options.force).lines(), sep="\n")


if __name__ == "__main__":
    run_command(main)
