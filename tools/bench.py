"""Measure how fast the program is, and write docs/performance.md from what was found."""

from __future__ import annotations

import pathlib
import sys
import tempfile
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.options import positive_int

EXAMPLE = """examples:
  python tools/bench.py                                # all, into docs
  python tools/bench.py --quick --out runs/bench-quick
  python tools/bench.py input_pipeline --photographs data/VOCdevkit
  python tools/bench.py --list
"""


def build_parser() -> CommandParser:
    """Options of this tool."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names and what they measure, and leave")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--rounds", type=positive_int, default=5, help="turns of each contender (%(default)s)")
    parser.add_argument("--photographs", type=pathlib.Path, metavar="DIR", help="JPEG files to use (default: made up)")
    parser.add_argument(
        "--scratch", type=pathlib.Path, metavar="DIR", help="folder for what is made (default: $TMPDIR)"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=ROOT / "docs", metavar="DIR", help="folder of performance.{json,md} (docs)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print tables, write both files, print the document's path."""
    options = build_parser().parse_args(arguments)
    from benchmarks.harness.registry import choose, load
    from benchmarks.harness.running import run_benchmarks
    from benchmarks.harness.settings import Settings

    chosen = choose(options.names, options.quick)
    if options.list:
        print("\n".join(f"{name}: {load(name).TITLE}" for name in chosen))
        return
    scratch = options.scratch or pathlib.Path(tempfile.gettempdir())
    settings = Settings(scratch, options.quick, options.rounds, options.photographs)
    print(run_benchmarks(chosen, settings, options.out))


if __name__ == "__main__":
    run_command(main)
