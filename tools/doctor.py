"""Look for what would stop or slow a run on this machine, and print for each finding the command that fixes it."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import starting

EXAMPLE = """examples:
  python tools/doctor.py
  python tools/doctor.py --data data/VOCdevkit data/ADEChallengeData2016 --out /scratch/runs --json doctor.json

exit status: 0 without a problem (warnings are none), 1 with one, 2 for a wrong command line
"""
EXIT_PROBLEM = 1


def build_parser() -> CommandParser:
    """The options."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument(
        "--data", type=pathlib.Path, nargs="+", action="extend", default=[], metavar="DIR", help="folders of data"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("runs"), metavar="DIR", help="where runs will be (%(default)s)"
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the findings there too")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Examine, print each finding as it comes up, and leave with 1 when one is a problem."""
    options = build_parser().parse_args(arguments)
    starting("loading")
    from transfer.doctor.examination import count, examine, lines, write_findings

    findings = []
    for finding in examine(options.data, options.out):
        findings.append(finding)
        print(*lines(finding), sep="\n", flush=True)
    counts = count(findings)
    print(f"{counts['problem']} problems, {counts['warning']} warnings, {counts['ok']} ok")
    if options.json is not None:
        write_findings(options.json, findings)
    if counts["problem"]:
        sys.exit(EXIT_PROBLEM)


if __name__ == "__main__":
    run_command(main)
