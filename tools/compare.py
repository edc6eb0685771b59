"""Compare finished runs: every recipe against a baseline row, with the paper's numbers beside it."""

from __future__ import annotations

import io
import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command


def build_parser() -> CommandParser:
    """Options of this tool."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("runs", metavar="RUNS_DIR", help="folder that holds run folders, at any depth")
    parser.add_argument("--baseline", metavar="ROW", help='recipe, or "recipe (network)" (default: b-standard)')
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="WEIGHTS=RECIPE",
        help="show the paper's recipe beside the row of these public weights; may be repeated",
    )
    parser.add_argument("--out", metavar="DIR", help="folder for the report's files (default: RUNS_DIR/report)")
    parser.add_argument("--title", metavar="TEXT", help="headline of index.html")
    parser.add_argument(
        "--note", action="append", default=[], metavar="TEXT", help="what readers are to know first; may be repeated"
    )
    parser.add_argument(
        "--no-images", action="store_true", help="keep images of the data sets, and maps of them, out of index.html"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, write the report in all its forms, print where."""
    options = build_parser().parse_args(arguments)
    from studies.comparison.compare import compare_runs
    from studies.comparison.public_weights import read_stated_recipes
    from studies.report.page import write_page
    from studies.report.text import as_text, write_report

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Δ shows ? and not a traceback
    comparison = compare_runs(options.runs, options.baseline, options.note, read_stated_recipes(options.beside))
    print(as_text(comparison))
    written = write_report(comparison, options.out)
    print(written)
    print(write_page(comparison, written.parent, options.title, not options.no_images))


if __name__ == "__main__":
    run_command(main)
