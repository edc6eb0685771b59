"""Compare finished runs: every recipe against a baseline row, with the paper's numbers beside it."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import starting


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
    parser.add_argument(
        "--call",
        action="append",
        default=[],
        metavar="RECIPE=NAME",
        help="call the row of a recipe, or of public weights, so; may be repeated",
    )
    parser.add_argument("--out", metavar="DIR", help="folder for the report's files (default: RUNS_DIR/report)")
    parser.add_argument("--title", metavar="TEXT", help="name of the study, above the headline of index.html")
    parser.add_argument(
        "--note", action="append", default=[], metavar="TEXT", help="what readers are to know first; may be repeated"
    )
    parser.add_argument(
        "--no-images", action="store_true", help="keep images of the data sets, and maps of them, out of index.html"
    )
    parser.add_argument(
        "--seeds-command",
        metavar="COMMAND",
        help="that a suite is continued by, up to and with --seeds: the page completes it where something is undecided",
    )
    parser.add_argument("--end-with-answer", action="store_true", help="repeat the finding as the last line")
    parser.add_argument("--open", action="store_true", help="end with the address of index.html, to open in a browser")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, write the report in all its forms, print where."""
    options = build_parser().parse_args(arguments)
    starting(f"reading {options.runs}")
    from studies.comparison.compare import compare_settings
    from studies.comparison.public_weights import read_stated_recipes
    from studies.comparison.rows import read_row_names
    from studies.report.terminal.show import answer_lines, show
    from studies.report.whole import setting_names, write_whole_report

    stated, called = read_stated_recipes(options.beside), read_row_names(options.call)
    comparisons = compare_settings(options.runs, options.baseline, options.note, stated, called)
    names = [name.words for name in setting_names(comparisons)]
    show(comparisons, names)
    shown = not options.no_images
    written = write_whole_report(comparisons, options.out, options.title, shown, options.seeds_command)
    print(written.text, written.page, sep="\n")
    if options.open:
        print(written.page.absolute().as_uri())
    if options.end_with_answer:
        print(*answer_lines(comparisons, names), sep="\n")


if __name__ == "__main__":
    run_command(main)
