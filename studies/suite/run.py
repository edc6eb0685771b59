"""A suite from its file to its report and its exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from backbones.errors import UserError, did_you_mean
from backbones.files import write_error, write_json
from backbones.runs.fingerprint import ROOT
from studies.comparison.compare import Comparison, compare_runs
from studies.results.looks_file import check_plan, write_looks
from studies.statistics.looks import Looks
from studies.statistics.verdict import Verdict
from studies.suite.commands import Parsers
from studies.suite.comparison import (
    FOLDER,
    baseline_row,
    command_words,
    compare,
    label_of_baseline,
    link_runs,
    names_of_weights,
    stated_recipes,
)
from studies.suite.costs.estimate import Estimator
from studies.suite.costs.plan_table import Price, plan_lines
from studies.suite.data import data_folder, make_images
from studies.suite.definition import Data, Suite
from studies.suite.executors.board import DONE, Board
from studies.suite.executors.local import Reporter
from studies.suite.executors.progress import metrics_of
from studies.suite.executors.refresh import LOG, refreshing
from studies.suite.gate.controls import control_rows, unmet, verdicts_of
from studies.suite.gate.expectations import missed
from studies.suite.planned_run import PlannedRun
from studies.suite.planning import plan_runs
from studies.suite.trainings import training_lines
from transfer.catalogue import TASKS

Execute = Callable[[Sequence[PlannedRun], Board, Reporter], None]
Shown = Callable[[Board], AbstractContextManager[Reporter]]
EXIT_MISSED = 1


@dataclass(frozen=True)
class Conduct:
    """How a suite is to be run.

    Attributes:
        out: Its folder.
        parsers: Of the tools, by task.
        processes: Of each run.
        seeds: In place of the suite's.
        rows: Names of those that are to be run; None for all. The comparison has the others too, where they are done.
        data: Folders in place of the suite's, by task.
        report_words: What the command of the report ends with.
        looks: Of a suite that adds seeds where a verdict is open (``studies.suite.adaptive``); None for fixed seeds.
    """

    out: Path
    parsers: Parsers
    processes: int = 1
    seeds: tuple[int, ...] | None = None
    rows: tuple[str, ...] | None = None
    data: Mapping[str, Path] | None = None
    report_words: tuple[str, ...] = ()
    looks: Looks | None = None


def settle_suite(suite: Suite, conduct: Conduct) -> tuple[Suite, list[PlannedRun], list[PlannedRun]]:
    """The suite with what the command line changes in it, the runs that are wanted, and all that the suite has."""
    if conduct.seeds:
        suite = replace(suite, seeds=conduct.seeds, rows=tuple(replace(row, seeds=None) for row in suite.rows))
    tasks = dict(suite.tasks)
    for task, folder in (conduct.data or {}).items():
        if task not in tasks:
            raise UserError(f"--data {task}={folder}: {suite.path} has no {task}; it has {', '.join(tasks)}")
        tasks[task] = replace(tasks[task], data=Data(path=folder))
    suite = replace(suite, tasks=tasks)
    wanted = _wanted(suite, conduct.rows or [row.name for row in suite.rows])
    everything = plan_runs(suite, conduct.out, conduct.parsers, conduct.processes)
    expected = tuple(each for each in suite.expected if each.row in wanted)
    return replace(suite, expected=expected), [run for run in everything if run.row in wanted], everything


def _wanted(suite: Suite, names: Sequence[str]) -> set[str]:
    """Names of those rows and of the teachers that they need, all the way."""
    known = [row.name for row in suite.rows]
    for name in names:
        if name not in known:
            raise UserError(
                f"--rows {name}: {suite.path} has no such row; {did_you_mean(name, known)}it has {', '.join(known)}"
            )
    found, trained = set(names), {row.name: row for row in (*suite.rows, *suite.teachers)}
    pending = list(found)
    while pending:
        teacher = trained[pending.pop()].teacher
        if teacher in trained and teacher not in found:
            found.add(teacher)
            pending.append(teacher)
    return found


def print_plan(suite: Suite, conduct: Conduct, gpu: bool, price: Price | None, commands: bool) -> None:
    """Print what would be done, with the ``commands`` or in short; nothing is run, and nothing is made."""
    suite, runs, _ = settle_suite(suite, conduct)
    print("\n".join(plan_lines(runs, Estimator(conduct.out, gpu), price, commands)))
    print("\n".join(training_lines(runs)))
    for folder in _missing(suite):
        print(f"missing: {folder}; the ids of runs that need it will change when it is there")


def run_suite(suite: Suite, conduct: Conduct, execute: Execute, shown: Shown) -> int:
    """Run what is not done, compare, and hold the outcome against what is expected.

    Args:
        suite: What to run.
        conduct: How.
        execute: Carries the runs out.
        shown: Shows how it goes.

    Returns:
        The exit code: 0, or 1 when a run failed or a metric is off.

    Raises:
        UserError: Data that are missing, or anything about the definition.
        KeyboardInterrupt: Stopped; the same command continues.
    """
    study = prepare(suite, conduct)
    if controls := control_rows(study.suite, {run.row for run in study.wanted}):
        first = _wanted(study.suite, [*controls, baseline_row(study.suite)])
        board = carry_out(study, [run for run in study.wanted if run.row in first], execute, shown)
        if stopped_by(study, verdicts_of(compare_study(study), study.everything, controls)):
            return conclude(study, board) or EXIT_MISSED
    return conclude(study, carry_out(study, study.wanted, execute, shown))


def compare_study(study: Study) -> Comparison:
    """The comparison of what is done of a study."""
    out, suite = study.conduct.out, study.suite
    link_runs(study.everything, out, study.conduct.looks)
    stated = dict(each.rsplit("=", 1) for each in stated_recipes(study.everything, suite))
    names = names_of_weights(study.everything, suite)
    baseline = label_of_baseline(study.everything, suite)
    return compare_runs(out / FOLDER, baseline, stated_recipes=stated, row_names=names)


def stopped_by(study: Study, verdicts: Mapping[tuple[str, str], Verdict | None]) -> bool:
    """Print which controls came out otherwise than they have to; whether there are such."""
    lines = unmet(study.suite.controls, verdicts)
    for line in lines:
        print(line)
    if lines:
        print("the study stops here: what cannot see a known effect, or sees one where there is none, has no answers")
    return bool(lines)


@dataclass(frozen=True)
class Study:
    """A suite that is ready to run: as the command line settled it, the runs that are wanted, and all that it has."""

    suite: Suite
    wanted: Sequence[PlannedRun]
    everything: Sequence[PlannedRun]
    conduct: Conduct


def prepare(suite: Suite, conduct: Conduct) -> Study:
    """Settle a suite, and make its folders, its images and ``suite.json``.

    Raises:
        UserError: Data that are missing, or anything about the definition.
    """
    suite, runs, everything = settle_suite(suite, conduct)
    if missing := _missing(suite):
        raise UserError(f"{suite.path}: {', '.join(missing)}: no such folder; give yours with --data TASK=DIR")
    check_plan(conduct.out, conduct.looks, conduct.out / FOLDER)
    for folder in (conduct.out / "logs", *{run.folder.parent for run in runs}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from None
    for shapes in dict.fromkeys(task.data.shapes for task in suite.tasks.values() if task.data and task.data.shapes):
        make_images(shapes)
    _record(suite, everything, conduct.out)
    if conduct.looks:
        write_looks(conduct.out, conduct.looks)
    return Study(suite, runs, everything, conduct)


def carry_out(study: Study, runs: Sequence[PlannedRun], execute: Execute, shown: Shown) -> Board:
    """Carry out those runs of a study that are not done, and make its report anew after each.

    Raises:
        KeyboardInterrupt: Stopped; the same command continues.
    """
    board = Board(runs)
    done = sum(run.done for run in runs)
    print(f"{len(runs)} runs in {study.conduct.out}, {done} of them done; commands run in {ROOT}")
    try:
        with shown(board) as reporter, refreshing(reporter, lambda: _next_report(study)) as both:
            execute(runs, board, both)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("repeat the command to continue") from None
    return board


def _next_report(study: Study) -> tuple[list[str], str]:
    """Link what there is, for the command of a report while the suite works; its words, and where it logs."""
    runs, conduct = study.everything, study.conduct
    link_runs(runs, conduct.out, conduct.looks)
    return command_words(runs, conduct.out, study.suite, conduct.report_words), str(conduct.out / "logs" / LOG)


def conclude(study: Study, board: Board) -> int:
    """Compare what there is of the suite, done now or before; say what failed, and what is not as expected."""
    suite, conduct = study.suite, study.conduct
    code = 0
    lines = missed(suite.expected, _values(board))
    if suite.expected and not lines:
        print(f"as expected: all {len(suite.expected)} metrics that {suite.path} names", flush=True)
    if any(run.compared and run.done for run in study.everything):
        code = compare(study.everything, conduct.out, suite, conduct.report_words, conduct.looks)
    broken = board.broken()
    for status in broken:
        print(f"{status.state.upper()}: {status.run.name}: {status.note}; see {status.run.log}")
        for line in status.last_words:
            print(f"  | {line}")
    for line in lines:
        print(f"NOT AS EXPECTED: {line}")
    return code or (EXIT_MISSED if broken or lines else 0)


def _values(board: Board) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for status in board.all.values():
        if status.state == DONE and status.run.compared:
            for metric, value in metrics_of(status.run).items():
                found.setdefault((status.run.row, metric), []).append(value)
    return found


def _missing(suite: Suite) -> list[str]:
    """Folders of the suite's own that are not there."""
    places = [(task, data) for task in TASKS if task in suite.tasks and (data := suite.tasks[task].data) is not None]
    needed = [data_folder(data, task) for task, data in places if data.shapes is None]
    return [str(folder) for folder in needed if not folder.is_dir()]


def _record(suite: Suite, runs: Sequence[PlannedRun], out: Path) -> None:
    """``suite.json``: which run folders belong to the suite as it is now, and the command of each."""
    entries = [
        {
            "name": run.name,
            "row": run.row,
            "task": run.kind,
            "seed": run.seed,
            "id": run.digest,
            "folder": str(run.folder.relative_to(out)),
            "needs": list(run.needs),
            "command": run.printed,
        }
        for run in runs
    ]
    write_json(out / "suite.json", {"format": 1, "suite": suite.name, "runs": entries})
