"""Fetch, unpack and verify PASCAL VOC, COCO and ADE20K; arrange ImageNet and make it smaller; check any data set."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import starting
from backbones.cli.options import add_allow_shared_images, positive_float, positive_int

EXAMPLE = """examples:
  python tools/prepare_data.py voc2007 --out data                    # makes data/VOCdevkit/VOC2007
  python tools/prepare_data.py ade20k --archive ADEChallengeData2016.zip
  python tools/prepare_data.py imagenet --archives DIR --out data/imagenet
  python tools/prepare_data.py resize-cache data/imagenet data/imagenet-256 --short-side 256
  python tools/prepare_data.py check data/VOCdevkit --json counts.json
"""
BENCHMARK_HELP = {
    "voc2007": "PASCAL VOC2007, trainval and test: 0.9 GB to fetch, 2 GB of disk",
    "voc2012": "PASCAL VOC2012, trainval: 2 GB to fetch, 4.1 GB of disk",
    "coco": "COCO 2017, boxes of 80 classes, train and val: 20.4 GB to fetch, 42 GB of disk",
    "ade20k": "ADE20K scene parsing, 150 classes: 1 GB to fetch, 2.1 GB of disk",
}


def build_parser() -> CommandParser:
    """One command per data set, ``resize-cache`` and ``check``."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    common = CommandParser(add_help=False)
    common.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write counts and faults there too")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in BENCHMARK_HELP.items():
        _add_benchmark_options(commands.add_parser(name, help=text, description=text, parents=[common]))
    text = "arrange ILSVRC2012 from the archives you have, or check that it is complete; nothing is fetched"
    imagenet = commands.add_parser("imagenet", help=text, description=text, parents=[common])
    source = imagenet.add_mutually_exclusive_group(required=True)
    source.add_argument("--archives", type=pathlib.Path, metavar="DIR", help="folder with the three official archives")
    source.add_argument("--folder", type=pathlib.Path, metavar="DIR", help="arranged already: only check")
    imagenet.add_argument("--out", type=pathlib.Path, default="data/imagenet", help="folder to make (%(default)s)")
    text = "write an ImageFolder's images in the size that training needs, to decode faster; can be continued"
    resize = commands.add_parser("resize-cache", help=text, description=text, parents=[common])
    resize.add_argument("source", type=pathlib.Path, metavar="SRC", help="ImageFolder, which stays as it is")
    resize.add_argument("out", type=pathlib.Path, metavar="OUT", help="folder to make")
    resize.add_argument(
        "--short-side", type=positive_int, required=True, help="pixels of the shorter side, 256 to 500; never enlarged"
    )
    text = "recognise a folder's layout, check every file as training does, print counts"
    check = commands.add_parser("check", help=text, description=text, parents=[common])
    check.add_argument("folder", type=pathlib.Path, help="in any layout of docs/data.md")
    check.add_argument("--classes", type=pathlib.Path, metavar="FILE", help="class names (default: as in training)")
    check.add_argument("--image-suffix", metavar=".SUFFIX", help="of images that have label maps (.jpg)")
    add_allow_shared_images(check)
    return parser


def _add_benchmark_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=pathlib.Path, default="data", help="folder to make it in (%(default)s)")
    parser.add_argument("--mirror", metavar="URL", help="web folder with the archives (default: the publisher's)")
    parser.add_argument(
        "--archive",
        type=pathlib.Path,
        action="append",
        default=[],
        metavar="FILE",
        help="an archive you have, under any name; may be repeated; the others are fetched",
    )
    parser.add_argument(
        "--timeout", type=positive_float, default=60.0, help="seconds of silence that end a connection (%(default)g)"
    )
    parser.add_argument("--total-timeout", type=positive_float, help="seconds for each archive (default: no limit)")
    parser.add_argument(
        "--attempts", type=positive_int, default=6, help="connections in a row that bring nothing (%(default)s)"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Do it, print what was found, and fail when that is not sound."""
    options = build_parser().parse_args(arguments)
    starting("loading")
    from transfer.prepare.commands import run

    report = run(options)
    print(*report.lines(), sep="\n", flush=True)
    report.require_sound()
    print(report.verdict())


if __name__ == "__main__":
    run_command(main)
