"""Train an ablation, run by run, and keep one table: top-1 over seeds, what each trick changes, the paper's numbers."""

from __future__ import annotations

import argparse
import io
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.options import natural_int
from backbones.cli.shell import shell_command
from backbones.errors import UserError
from backbones.training.request import ClassificationRequest
from studies.ablation.presets import PRESETS
from tools.train_cls import build_parser as build_train_parser
from tools.train_cls import read_request

if TYPE_CHECKING:
    from studies.ablation.rows import Ablation, AblationRow

EXAMPLE = """examples:
  python tools/ablate.py --data DIR --network resnet18_d --mode cumulative --base b-standard \\
      --tricks warmup zero-gamma cosine label-smoothing --seeds 0 1 2 --out DIR -- --epochs 5 --image-size 64
  python tools/ablate.py --data DIR --network resnet18_d --mode leave-one-out --base d-smooth --out DIR
  python tools/ablate.py --data IMAGENET --preset table4-1024 --plan --out DIR

Options after -- go to every run, as tools/train_cls.py has them; --plugin FILE.py among them brings tricks of your own.
Repeat the command to continue; add seeds or tricks to extend. The table is OUT/ablation.md, .csv and .json.
"""
# What each run gets from this tool.
RESERVED = (
    *("--data", "--network", "--recipe", "--with", "--without", "--teacher", "--seed", "--out"),
    *("--resume", "--dry-run", "--help", "-h"),
)


def build_parser() -> CommandParser:
    """Options of this tool, up to ``--``."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    path = pathlib.Path
    parser.add_argument("--data", type=path, required=True, help="folder with train/CLASS/IMAGE and val/CLASS/IMAGE")
    parser.add_argument("--network", help="network by name (default with --preset: the paper's)")
    parser.add_argument("--out", type=path, required=True, help="folder for all runs and the table, new or not")
    rows = parser.add_mutually_exclusive_group(required=True)
    rows.add_argument(
        "--mode", choices=("cumulative", "leave-one-out"), help="one trick more, or one less, in each row"
    )
    rows.add_argument("--preset", choices=PRESETS, help="the rows of a table of the paper")
    parser.add_argument("--base", metavar="RECIPE", help="with --mode: recipe, or FILE.yaml, to add tricks to")
    parser.add_argument("--tricks", nargs="+", default=[], metavar="TRICK", help="NAME or NAME=VALUE, in order")
    parser.add_argument("--teacher", type=path, metavar="WEIGHTS", help="teacher of the rows that distil")
    parser.add_argument("--seeds", type=natural_int, nargs="+", default=[0], help="one run each per row (0)")
    parser.add_argument("--plan", action="store_true", help="print the commands and run nothing")
    return parser


def read_ablation(words: Sequence[str]) -> tuple[Ablation, bool]:
    """The ablation that a command line asks for, and whether only its plan is wanted."""
    own, options = list(words), []
    if "--" in own:
        own, options = own[: own.index("--")], own[own.index("--") + 1 :]
    asked = build_parser().parse_args(own)
    if taken := [word for word in options if word.partition("=")[0] in RESERVED]:
        raise UserError(f"{taken[0]} after --: tools/ablate.py gives it to each run itself; see --help")
    training = read_training(options)
    network = asked.network or PRESETS.get(asked.preset)
    if network is None:
        raise UserError("--network not given; see --help")
    from backbones.recipes.plugin import load_plugin
    from studies.ablation.rows import Ablation, check_rows

    if training.plugin:
        load_plugin(training.plugin)
    ablation = Ablation(
        rows=read_rows(asked, network),
        seeds=tuple(dict.fromkeys(asked.seeds)),
        network=network,
        data=asked.data,
        out=asked.out,
        teacher=asked.teacher,
        options=tuple(options),
        asked=f"python tools/ablate.py {shell_command(words)}",
    )
    check_rows(ablation.rows, network, asked.teacher)
    if training.learning_rate is not None and any("linear-scaling" in (*row.on, *row.off) for row in ablation.rows):
        raise UserError("--lr after -- fixes the learning rate, so linear-scaling changes nothing; take one away")
    return ablation, asked.plan


def read_rows(asked: argparse.Namespace, network: str) -> tuple[AblationRow, ...]:
    """The rows by ``--preset``, or by ``--mode``, ``--base`` and ``--tricks``."""
    from studies.ablation.rows import cumulative_rows, leave_one_out_rows, preset_rows

    if asked.preset:
        if asked.base or asked.tricks:
            raise UserError("--preset names its rows: take --base and --tricks away, or give --mode instead")
        return preset_rows(asked.preset, network)
    if asked.base is None:
        raise UserError(f"--mode {asked.mode} needs --base RECIPE (b-standard, for one)")
    make = cumulative_rows if asked.mode == "cumulative" else leave_one_out_rows
    return make(asked.base, asked.tricks)


def read_training(words: Sequence[str]) -> ClassificationRequest:
    """What options ask of ``tools/train_cls.py``."""
    parser = build_train_parser()
    parser.place, parser.prog = "options after --: ", "tools/train_cls.py"
    return read_request(vars(parser.parse_args(words)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan; or train what is missing, and the table after each run."""
    ablation, plan = read_ablation(sys.argv[1:] if arguments is None else arguments)
    if plan:
        return print("\n".join(f"python {shell_command(ablation.command(*run))}" for run in ablation.runs()))
    if not ablation.data.is_dir():
        raise UserError(f"--data {ablation.data} is not a folder; give one with train/CLASS/IMAGE and val/CLASS/IMAGE")

    from studies.ablation.check import check_comparable
    from studies.ablation.execution import train_all
    from studies.ablation.files import as_markdown, write_table
    from studies.ablation.table import ablation_table

    check_comparable(ablation, read_training)
    failures = train_all(ablation, lambda failed: write_table(ablation_table(ablation, failed), ablation.out))
    table = ablation_table(ablation, failures)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Δ shows ? and not a traceback
    print(f"\n{as_markdown(table)}\n{write_table(table, ablation.out)}")
    if failures:
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
