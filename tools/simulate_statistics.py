"""Simulate how often the rules of the statistics are right, and write docs/simulations.md from what was found."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import starting
from backbones.cli.shell import shell_command

EXAMPLE = """examples:
  python tools/simulate_statistics.py                                  # all, into docs; a quarter of an hour
  python tools/simulate_statistics.py --quick --out runs/simulations   # fewer studies of everything
  python tools/simulate_statistics.py --adaptive                       # adaptive studies alone; a minute
  python tools/simulate_statistics.py --document                       # docs/simulations.md alone, from its JSON
"""


def build_parser() -> CommandParser:
    """Options of this tool."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument("--quick", action="store_true", help="fewer studies of everything")
    parser.add_argument("--document", action="store_true", help="simulate nothing; write the document from its numbers")
    parser.add_argument(
        "--adaptive", action="store_true", help="simulate adaptive studies alone, keep the other numbers"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=ROOT / "docs", metavar="DIR", help="folder of simulations.{json,md} (docs)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, write both files, print the document's path."""
    words = sys.argv[1:] if arguments is None else arguments
    options = build_parser().parse_args(words)
    starting("loading")
    from studies.simulation.files import QUICK, SimulationEffort, document_again, simulate_adaptive, simulate_to_files
    from tools.run_suite import tool_parsers

    if options.document:
        print(document_again(options.out))
        return
    command, effort = (
        shell_command(["python", "tools/simulate_statistics.py", *words]),
        QUICK if options.quick else SimulationEffort(),
    )
    if options.adaptive:
        print(simulate_adaptive(options.out, effort, command))
        return
    print(simulate_to_files(options.out, effort, command, tool_parsers()))


if __name__ == "__main__":
    run_command(main)
