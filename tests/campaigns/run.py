"""Kill, damage and starve the program, thousands of times, and write docs/reliability.md from what was found."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
# By path: some packages install a module called "tests", so that "python -m tests.campaigns" might be theirs.
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ["OMP_NUM_THREADS"] = "1"  # before torch: a fork is safe only while no thread has been started

from backbones.cli.command import CommandParser, run_command
from backbones.cli.options import natural_int, positive_float, positive_int

EXAMPLE = """examples:
  python tests/campaigns/run.py --minutes 60 --report docs    # or: make campaign MINUTES=60
  python tests/campaigns/run.py mutation --minutes 10 --only voc-xml suite-yaml
  python tests/campaigns/run.py mutation --only voc-xml --seed 17 --trials 1 --records /tmp/again.jsonl --show
  python tests/campaigns/run.py --list

Repeat the command to continue: trials that the records have of the same commit are not made again.
"""
EXIT_FAILED = 1


def build_parser() -> CommandParser:
    """The options."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    path = pathlib.Path
    parser.add_argument("names", nargs="*", metavar="CAMPAIGN", help="see --list (default: all)")
    parser.add_argument("--list", action="store_true", help="print what each campaign tries, and leave")
    parser.add_argument("--minutes", type=positive_float, default=10.0, help="of all campaigns together (%(default)g)")
    parser.add_argument("--trials", type=positive_int, help="seeds of each subject (default: as many as there is time)")
    parser.add_argument("--seed", type=natural_int, default=0, help="the first one (%(default)s)")
    parser.add_argument("--only", nargs="+", default=[], metavar="SUBJECT", help="these alone")
    parser.add_argument("--show", action="store_true", help="print each failure as it is found")
    parser.add_argument(
        "--records", type=path, default=ROOT / "runs/campaigns/trials.jsonl", metavar="FILE", help="of all trials"
    )
    parser.add_argument("--scratch", type=path, metavar="DIR", help="folder for what is made (default: $TMPDIR)")
    parser.add_argument(
        "--report", type=path, metavar="DIR", help="write reliability.{json,md} there, of all that the records have"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the trials, write the report, and fail when one of them has failed."""
    options = build_parser().parse_args(arguments)
    from campaigns.conduct import conduct, listed

    if options.list:
        return print("\n".join(listed()))
    tally = conduct(options)
    print(tally)
    if options.report is not None:
        from campaigns.report import write_report

        print(write_report(options.records, options.report))
    if tally.failed:
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    run_command(main)
