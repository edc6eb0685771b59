"""Measure what a data set of ImageNet's size costs: listing, checking, memory. The tree is made of links."""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.command import CommandParser, run_command
from backbones.options import positive_int

EXAMPLE = """examples:
  python tools/bench_index.py --json docs/index.json --markdown docs/index.md
  python tools/bench_index.py --images 200000 --workers 8 --out /network/file/system/scratch
"""


def build_parser() -> CommandParser:
    """Options of this tool."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument("--images", type=positive_int, default=1_281_167, help="training images (%(default)s)")
    parser.add_argument("--classes", type=positive_int, default=1000, help="class folders (%(default)s)")
    parser.add_argument(
        "--decode", type=positive_int, default=2000, help="images to decode for the speed (%(default)s)"
    )
    parser.add_argument("--workers", type=positive_int, default=2, help="loader workers (%(default)s)")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="existing folder to build in; default: $TMPDIR")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="and there, as a document")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the tree, measure, print a table, remove the tree."""
    options = build_parser().parse_args(arguments)
    from backbones.index_benchmark import IndexRequest, measure_index, write_index_report

    request = IndexRequest(options.images, options.classes, options.decode, options.workers)
    with tempfile.TemporaryDirectory(prefix="bench_index.", dir=options.out) as scratch:
        os.environ["CARRYOVER_CACHE"] = str(pathlib.Path(scratch, "cache"))
        figures = measure_index(pathlib.Path(scratch), request)
    print(write_index_report(figures, options.json, options.markdown))


if __name__ == "__main__":
    run_command(main)
