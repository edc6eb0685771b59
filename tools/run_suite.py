"""Run a whole study from one file: train, transfer, compare, and hold the outcome against what is expected."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import starting
from backbones.cli.options import natural_int, positive_float, positive_int
from backbones.errors import UserError
from backbones.runs.keeping import KEEP_HELP, KEEPS

if TYPE_CHECKING:
    from studies.suite.definition import Suite
    from studies.suite.run import Execute

EXAMPLE = """examples:
  python tools/run_suite.py suites/demo.yaml
  python tools/run_suite.py suites/section6.yaml --plan --price-per-hour 2.5 --currency EUR
  python tools/run_suite.py suites/section6.yaml --out runs/section6 --gpus-per-run 8 \\
      --slurm partition=gpu time=48:00:00 gres=gpu:8 cpus-per-task=64

  python tools/run_suite.py suites/section6.yaml --adaptive --seeds 0 1 2 3 4 5 6 7 --budget 500

Repeat the command to continue: what is done is skipped, what was interrupted is resumed. docs/suites.md has the rest.
"""


def build_parser() -> CommandParser:
    """Options of this tool."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument("suite", type=pathlib.Path, metavar="SUITE.yaml", help="definition; suites/ has some")
    parser.add_argument("--out", type=pathlib.Path, help="folder for runs and report (default: runs/NAME)")
    parser.add_argument("--seeds", type=natural_int, nargs="+", help="in place of the suite's")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="these alone, with the teachers that they need")
    parser.add_argument(
        "--data", nargs="+", action="extend", default=[], metavar="TASK=DIR", help="folders in place of the suite's"
    )
    parser.add_argument("--keep", choices=KEEPS, help=f"of every run: {KEEP_HELP}")
    parser.add_argument("--open", action="store_true", help="tell the address of the report, to open in a browser")
    parser.add_argument("--plan", action="store_true", help="print runs, states and cost; run nothing")
    parser.add_argument("--commands", action="store_true", help="with --plan: each run by itself, with its command")
    parser.add_argument("--price-per-hour", type=positive_float, metavar="PRICE", help="with --plan: of one device")
    parser.add_argument("--currency", metavar="WORD", help="of that price, as it is to be printed (EUR, $)")
    adaptive = parser.add_argument_group("adaptive", "add seeds where a verdict is open and could still close")
    adaptive.add_argument("--adaptive", action="store_true", help="look by look; --seeds are the most that a row gets")
    adaptive.add_argument("--budget", type=hours, metavar="HOURS", help="device-hours of all runs (12 or 12h)")
    adaptive.add_argument(
        "--looks", type=positive_int, nargs="+", metavar="N", help="seeds at each look (3 5 8 12 ...)"
    )
    adaptive.add_argument("--spending", metavar="NAME", help="of the error over the looks: pocock or obrien-fleming")
    where = parser.add_argument_group("where")
    where.add_argument("--jobs", type=positive_int, help="runs at a time (one per GPU; without GPU as the suite says)")
    where.add_argument("--gpus-per-run", type=positive_int, metavar="G", help="start each run by torchrun on G GPUs")
    where.add_argument(
        "--slurm", nargs="*", metavar="KEY=VALUE", help="submit each run as a job, with these long options of sbatch"
    )
    return parser


def hours(text: str) -> float:
    """Of ``12`` or ``12h``."""
    return positive_float(text.removesuffix("h"))


def parse_data(words: Sequence[str]) -> dict[str, pathlib.Path]:
    """Folders by task."""
    pairs = [word.partition("=") for word in words]
    for task, _, folder in pairs:
        if not folder:
            raise UserError(f"--data {task}: write TASK=DIR (classification=IMAGENET)")
    return {task: pathlib.Path(os.path.abspath(os.path.expanduser(folder))) for task, _, folder in pairs}


def report_words(options: argparse.Namespace, out: pathlib.Path) -> tuple[str, ...]:
    """What the command of the report ends with: how seeds are added, and whether the address is told."""
    from backbones.cli.shell import shell_command

    words = ["tools/run_suite.py", str(options.suite), "--out", str(out)]
    if options.data:
        words += ["--data", *options.data]
    for name in ("jobs", "gpus_per_run", "keep"):
        if (value := getattr(options, name)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    if options.slurm is not None:
        words += ["--slurm", *options.slurm]
    adds_seeds = ("--seeds-command", f"python {shell_command([*words, '--seeds'])}")
    # Whether an adaptive study gets further seeds is its plan's to say, and never a reader's of its results.
    return (*(() if options.adaptive else adds_seeds), *(["--open"] if options.open else []))


def tool_parsers() -> Mapping[str, CommandParser]:
    """The parsers of the tools that a suite runs, by task."""
    from tools.train_cls import build_parser as classification_parser
    from transfer.catalogue import CLASSIFICATION, transfers
    from transfer.run.options import add_transfer_options

    parsers = {CLASSIFICATION: classification_parser()}
    for task in transfers():
        parsers[task] = CommandParser()
        add_transfer_options(parsers[task])
    return parsers


def executor(options: argparse.Namespace, suite: Suite, out: pathlib.Path) -> Execute:
    """What carries runs out: this machine's slots, or Slurm."""
    from studies.suite.executors.local import run_here
    from studies.suite.executors.slots import find_slots
    from studies.suite.executors.slurm import check_slurm_folder, parse_slurm_options, run_on_slurm

    if options.slurm is not None:
        settings = parse_slurm_options(options.slurm)
        check_slurm_folder(out)
        return lambda runs, *shows: run_on_slurm(runs, settings, out, *shows)
    slots = find_slots(options.jobs, options.gpus_per_run, suite.jobs)
    return lambda runs, *shows: run_here(runs, slots, *shows)


def run(options: argparse.Namespace) -> int:
    """Print the plan, or run the suite; the exit code."""
    from studies.suite.adaptive.plan import plan_looks
    from studies.suite.adaptive.run import Budget, print_adaptive_plan, run_adaptively
    from studies.suite.costs.estimate import Estimator
    from studies.suite.costs.plan_table import Price
    from studies.suite.executors.display import shown
    from studies.suite.executors.slots import visible_gpus
    from studies.suite.reading import read_suite
    from studies.suite.run import Conduct, print_plan, run_suite

    starting(f"reading {options.suite}")
    suite = read_suite(options.suite)
    if options.keep:
        suite = suite.with_option("keep", options.keep)
    out = (options.out or pathlib.Path("runs", suite.name)).absolute()
    seeds = options.seeds and tuple(dict.fromkeys(options.seeds))
    looks = plan_looks(suite, seeds, options.looks, options.spending) if options.adaptive else None
    rows = options.rows and tuple(options.rows)
    data, words = parse_data(options.data), report_words(options, out)
    conduct = Conduct(out, tool_parsers(), options.gpus_per_run or 1, seeds, rows, data, words, looks)
    on_gpus = options.slurm is not None or options.gpus_per_run is not None or bool(visible_gpus())
    if options.plan:
        price = Price(options.price_per_hour, options.currency or "") if options.price_per_hour else None
        print_plan(suite, conduct, on_gpus, price, options.commands)
        if looks:
            print_adaptive_plan(suite, conduct, Estimator(out, on_gpus))
        return 0
    if options.open:
        print(f"report, made anew after every run: {(out / 'report' / 'index.html').as_uri()}", flush=True)
    execute = executor(options, suite, out)
    if looks:
        budget = Budget(options.budget, lambda: Estimator(out, on_gpus)) if options.budget else None
        return run_adaptively(suite, conduct, budget, execute, shown)
    return run_suite(suite, conduct, execute, shown)


def check_options(options: argparse.Namespace) -> None:
    """Options that go with others only."""
    for given, name in ((options.price_per_hour, "--price-per-hour"), (options.commands, "--commands")):
        if given and not options.plan:
            raise UserError(f"{name} goes with --plan")
    for name in ("budget", "looks", "spending"):
        if getattr(options, name) and not options.adaptive:
            raise UserError(f"--{name} goes with --adaptive")
    if options.currency is not None and options.price_per_hour is None:
        raise UserError("--currency goes with --price-per-hour")
    if options.slurm is not None and options.jobs is not None:
        raise UserError("--jobs is for this machine; Slurm decides itself how many jobs run")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a suite."""
    options = build_parser().parse_args(arguments)
    check_options(options)
    sys.exit(run(options))


if __name__ == "__main__":
    run_command(main)
