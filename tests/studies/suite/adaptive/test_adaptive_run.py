"""Suites that add seeds where a verdict is open, on runs whose results are made up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import yaml
from pytest import CaptureFixture, fixture, mark, raises
from silent_suites import silent, write_two_classes

from backbones.errors import UserError, not_none
from studies.comparison.compare import compare_runs
from studies.suite.adaptive.plan import plan_looks
from studies.suite.adaptive.run import Budget, run_adaptively
from studies.suite.comparison import baseline_row
from studies.suite.costs.estimate import Estimate
from studies.suite.executors.board import DONE, FAILED, Board
from studies.suite.executors.local import Reporter
from studies.suite.planned_run import PlannedRun
from studies.suite.reading import read_suite
from studies.suite.run import Conduct, run_suite
from tools.run_suite import tool_parsers

SUITE = """
baseline: b-standard
seeds: [0, 1, 2, 3, 4, 5, 6, 7]
classification: {{data: {data}, options: {{epochs: 1}}}}
rows:
  - {{recipe: [b-standard, d-cosine, d-smooth, d-mixup], network: resnet18_d}}
"""
# Top-1, standard deviation 0.3: far above, a little above, and like the baseline.
TRUE = {"b-standard": 60.0, "d-cosine": 66.0, "d-smooth": 60.75, "d-mixup": 60.0}


class Study:
    """A suite whose commands write made-up results; ``ran`` has the row and seed of each."""

    def __init__(self, folder: Path, add_run: Callable[..., Path]) -> None:
        write_two_classes(folder / "data")
        (folder / "mine.yaml").write_text(SUITE.format(data=folder / "data"))
        self.suite = read_suite(folder / "mine.yaml")
        self.out, self._add_run = folder / "out", add_run
        self.ran: list[tuple[str, int]] = []
        self.fails: set[tuple[str, int]] = set()
        self.stops_before = 1000

    def execute(self, runs: Sequence[PlannedRun], board: Board, reporter: Reporter) -> None:
        for run in runs:
            status = board.all[run.name]
            if run.done:
                status.state = DONE
                continue
            if len(self.ran) == self.stops_before:
                raise KeyboardInterrupt
            seed = int(run.seed or 0)
            self.ran.append((run.row, seed))
            if (run.row, seed) in self.fails:
                status.state = FAILED
                continue
            noise = np.random.default_rng([seed, *run.row.encode()]).normal(0, 0.3)
            top1 = (TRUE[run.row] + noise, 90.0)
            self._add_run(run.folder.parent, "classification", run.row, top1, seed=seed, folder=run.folder.name)
            status.state = DONE

    def run(self, budget: Budget | None = None, counts: Sequence[int] | None = None, rows: Sequence[str] = ()) -> int:
        looks = plan_looks(self.suite, counts=counts)
        conduct = Conduct(self.out, tool_parsers(), looks=looks, rows=tuple(rows) or None)
        return run_adaptively(self.suite, conduct, budget, self.execute, silent)


@fixture
def study(tmp_path: Path, add_run: Callable[..., Path]) -> Study:
    return Study(tmp_path, add_run)


def test_seeds_go_where_a_verdict_is_open(study: Study, capfd: CaptureFixture[str]) -> None:
    assert study.run() == 0
    seeds = Counter(row for row, _ in study.ran)
    assert seeds["d-cosine"] == 3  # six points are found at the first look
    assert seeds["d-smooth"] > 3
    assert seeds["b-standard"] == max(seeds.values())
    assert len(set(study.ran)) == len(study.ran)
    printed = capfd.readouterr().out
    assert "d-cosine, classification  differs after 3 seeds\n" in printed
    assert "d-smooth, classification  undecided after 3 seeds; goes on to 5\n" in printed
    assert "of 3 questions are decided" in printed
    page = (study.out / "report" / "index.html").read_text(encoding="utf-8")
    assert "Seeds were added where a verdict was open" in page


def test_the_comparison_knows_the_looks(study: Study) -> None:
    study.run()
    compared = study.out / "compared"
    rows = {row.recipe: not_none(row.cells["top1"].difference) for row in compare_runs(compared).rows[1:]}
    (compared / "looks.json").unlink()
    fixed = {row.recipe: not_none(row.cells["top1"].difference) for row in compare_runs(compared).rows[1:]}
    assert list(rows) == ["d-cosine", "d-smooth", "d-mixup"]
    for recipe, mine in rows.items():
        assert mine.error_rate < fixed[recipe].error_rate
        assert mine.n in ((3, 3), (5, 5), (8, 8))
    assert rows["d-cosine"].n == (3, 3)  # the baseline has more by now
    (low, high), (lower, higher) = (not_none(each["d-smooth"].interval) for each in (fixed, rows))
    assert lower < low < high < higher


@mark.parametrize("stopped", [1, 5, 13])
def test_stopped_and_repeated_it_runs_the_same(
    stopped: int, study: Study, tmp_path: Path, add_run: Callable[..., Path]
) -> None:
    study.stops_before = stopped
    with raises(KeyboardInterrupt, match="repeat the command"):
        study.run()
    study.stops_before = 1000
    study.run()
    (tmp_path / "again").mkdir()
    straight = Study(tmp_path / "again", add_run)
    straight.run()
    assert sorted(study.ran) == sorted(straight.ran)
    before = len(study.ran)
    assert study.run() == 0
    assert len(study.ran) == before  # nothing is left to do


class HalfAnHourEach:
    def of(self, run: PlannedRun) -> Estimate:
        return Estimate(0.5, "CPU", "here")


def test_a_budget_ends_it(study: Study, capfd: CaptureFixture[str]) -> None:
    study.run(Budget(7.0, HalfAnHourEach))  # type: ignore[arg-type]  # as much of an estimator as is asked
    assert len(study.ran) == 12  # three seeds of four rows take 6 h, two more of two rows 2 h
    printed = capfd.readouterr().out
    assert "the budget of 7 h ends the study here: 6 h are used, and the next look would take 2 h more" in printed
    assert "d-smooth, classification: " in printed.rpartition("questions are decided")[2]
    study.run(Budget(100.0, HalfAnHourEach))  # type: ignore[arg-type]
    assert len(study.ran) > 12


def test_a_failed_run_ends_it_and_is_told(study: Study, capfd: CaptureFixture[str]) -> None:
    study.fails = {("d-smooth", 4)}
    assert study.run() == 1
    assert max(seed for _, seed in study.ran) == 4
    assert "FAILED: d-smooth seed 4" in capfd.readouterr().out


def test_some_rows_alone(study: Study) -> None:
    study.run(rows=("d-cosine", "b-standard"))
    assert {row for row, _ in study.ran} == {"d-cosine", "b-standard"}


def test_another_plan_is_refused(study: Study) -> None:
    study.run()
    with raises(UserError, match=r"was begun with --adaptive --seeds 0 1 2 3 4 5 6 7 --looks 3 5 8 --spending pocock"):
        study.run(counts=(2, 4, 8))
    with raises(UserError, match="its seeds were added by what results said"):
        run_suite(study.suite, Conduct(study.out, tool_parsers()), study.execute, silent)


def test_a_damaged_plan_is_one_line(study: Study) -> None:
    study.run()
    plan = study.out / "compared" / "looks.json"
    for text, words in (
        ("[]", "seeds must be a list of whole numbers"),
        (json.dumps({"seeds": [0, 0], "counts": [2], "spending": "pocock"}), "no seed stand there twice"),
        (json.dumps({"seeds": [0, 1], "counts": [3], "spending": "pocock"}), "counts must rise"),
        (json.dumps({"seeds": [0, 1], "counts": [2], "spending": "all"}), "spending must be one of"),
    ):
        plan.write_text(text)
        with raises(UserError, match=words):
            compare_runs(plan.parent)


@mark.parametrize("damage", ["{", "[]", None])
def test_a_plan_that_is_damaged_or_missing_is_restored_from_its_copy(study: Study, damage: str | None) -> None:
    study.run()
    before = len(study.ran)
    plans = [folder / "looks.json" for folder in (study.out, study.out / "compared")]
    sound = plans[0].read_text()
    for plan in plans:
        plan.unlink() if damage is None else plan.write_text(damage)
        with raises(UserError, match="was begun with --adaptive"):  # it is known all the same
            study.run(counts=(2, 4, 8))
        study.run()
        assert [each.read_text() for each in plans] == [sound, sound]
    assert len(study.ran) == before


def test_a_plan_whose_copies_are_both_damaged_is_one_line_that_says_what_to_do(study: Study) -> None:
    study.run()
    for folder in (study.out, study.out / "compared"):
        (folder / "looks.json").write_text("[]")
    with raises(
        UserError, match=r"looks.json is no plan of looks.*no sound copy.*delete looks.json in both, and repeat"
    ):
        study.run()


def test_counts(study: Study) -> None:
    assert plan_looks(study.suite).counts == (3, 5, 8)
    assert plan_looks(study.suite, seeds=range(20)).counts == (3, 5, 8, 12, 18, 20)
    assert plan_looks(study.suite, counts=(4, 6)).counts == (4, 6, 8)
    for counts in ((5, 4), (1, 8), (3, 9), (8,)):
        with raises(UserError, match=r"--looks|one look"):
            plan_looks(study.suite, counts=counts)
    for seeds in ((0,), (0, 1, 2)):
        with raises(UserError, match="one look and nothing to adapt; give more, the most that a row may get"):
            plan_looks(study.suite, seeds=seeds)
    with raises(UserError, match="--spending pokock: did you mean pocock"):
        plan_looks(study.suite, spending="pokock")


def test_a_baseline_is_needed(study: Study) -> None:
    assert baseline_row(study.suite) == "b-standard"
    (study.suite.path).write_text(study.suite.path.read_text().replace("baseline: b-standard", "baseline: resnet"))
    with raises(UserError, match="the baseline, resnet, fits 0 rows"):
        baseline_row(read_suite(study.suite.path))


@mark.parametrize(
    ("controls", "others_run", "adaptive"),
    [
        ("{d-cosine: differs}", True, False),
        ("{d-mixup: no sign}", True, True),
        ("{d-mixup: differs}", False, False),
        ("{d-cosine: no sign}", False, True),
        ("{d-cosine: differs, d-mixup: carries over}", False, True),
    ],
)
def test_controls_come_first_and_stop_the_study(
    controls: str, others_run: bool, adaptive: bool, study: Study, tmp_path: Path, capfd: CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(path.read_text() + f"controls: {controls}\n")
    study.suite = read_suite(path)
    code = (
        study.run() if adaptive else run_suite(study.suite, Conduct(study.out, tool_parsers()), study.execute, silent)
    )
    printed = capfd.readouterr().out
    first = {*yaml.safe_load(controls), "b-standard"}
    rows = list(dict.fromkeys(row for row, _ in study.ran))
    assert set(rows[: len(first)]) == first
    assert (set(rows) == set(TRUE)) == others_run
    assert ("CONTROL: " in printed) != others_run
    assert ("the study stops here" in printed) != others_run
    assert code == (0 if others_run else 1)
    before = list(study.ran)
    assert (study.run() if adaptive else 0) == (code if adaptive else 0)  # what stopped it stops it again
    assert study.ran == before


def test_the_only_rows_that_are_asked_for_may_be_controls(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(path.read_text() + "controls: {d-mixup: differs}\n")
    study.suite = read_suite(path)
    assert study.run(rows=["b-standard", "d-mixup"]) == 0  # nothing that a control could stop
