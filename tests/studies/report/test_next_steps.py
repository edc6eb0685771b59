"""What to do about an undecided row: seeds, hours and commands that add up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fabricated

from backbones.reporting.numbers import two_digits
from studies.comparison.compare import compare_runs
from studies.report.forms.records import read_records
from studies.report.front.next_steps import next_steps
from studies.results.looks_file import write_looks
from studies.statistics.looks import Looks

AddRun = Callable[..., Path]
HOURS = sum(fabricated.HOURS.values())


def steps(root: Path, command: str | None = None) -> Any:
    comparison = compare_runs(root)
    return next_steps(comparison, read_records(comparison), command)


def test_one_seed_asks_for_a_second_of_every_row(tmp_path: Path, add_run: AddRun) -> None:
    rows = {"b-standard": (0, 0, 0), "mine": (2, 2, 2), "yours": (1, 1, 1)}
    found = steps(fabricated.add_study(tmp_path, add_run, rows, seeds=1), "python tools/run_suite.py mine.yaml --seeds")
    assert [(each.row, each.metric, each.have, each.needed) for each in found.undecided] == [
        (row, metric, 1, 2) for row in ("mine", "yours") for metric in ("mAP 07", "mIoU")
    ]
    assert found.undecided[0].hours == two_digits(2 * (10 + 2))  # a training and a detector of both rows
    assert found.hours == two_digits(3 * HOURS)
    assert found.commands == ("python tools/run_suite.py mine.yaml --seeds 0 1",)
    assert (found.added, found.complete) == ("1", True)


def test_the_seeds_are_those_that_the_verdict_asks_for(tmp_path: Path, add_run: AddRun) -> None:
    rows = {"b-standard": (0, 0, 0), "mine": (2, 0.7, 0.7)}
    root = fabricated.add_study(tmp_path, add_run, rows, seeds=3, noise=0.5)
    for folder in root.glob("*-2"):  # seeds 0 and 1, and 7 in place of 2
        for file in folder.iterdir():
            file.write_text(file.read_text().replace('"seed": 2', '"seed": 7').replace("--seed 2", "--seed 7"))
    found = steps(root, "suite --seeds")
    verdicts = [compare_runs(root).rows[1].cells[metric].verdict for metric in ("voc07_map", "miou")]
    needed = max(verdict.seeds_needed for verdict in verdicts if verdict.seeds_needed)
    assert needed > 3
    assert found.seeds == tuple(sorted([0, 1, 7, *(seed for seed in range(2, 20) if seed != 7)][:needed]))
    model = steps(root)
    assert not model.complete
    assert len(model.commands) == 6  # a row and task each
    assert all("--seed 2 " in command for command in model.commands)


def test_an_adaptive_study_adds_seeds_by_its_plan(tmp_path: Path, add_run: AddRun) -> None:
    rows = {"b-standard": (0, 0, 0), "mine": (2, 0.7, 0.7)}
    root = fabricated.add_study(tmp_path, add_run, rows, seeds=3, noise=1.5)
    fixed = steps(root)
    write_looks(root, Looks((0, 1, 2, 3, 4), (3, 5)))
    found = steps(root)
    assert max(each.needed for each in found.undecided) > max(each.needed for each in fixed.undecided)
    assert found.commands == ()
    write_looks(root, Looks((0, 1, 2, 3, 4), (4, 5)))
    assert {each.needed for each in steps(root).undecided} == {4}  # the first look


def test_further_transfers_are_no_seeds_to_add(tmp_path: Path, add_run: AddRun) -> None:
    rows = {"b-standard": (0, 0, 0), "mine": (2, 0.7, 0.7)}
    root = fabricated.add_study(tmp_path, add_run, rows, seeds=2, noise=0.5)
    for folder in root.glob("*-detection-1"):
        shutil.copytree(folder, folder.with_name(f"{folder.name}001"))
        for file in (folder.with_name(f"{folder.name}001")).glob("*.json"):
            record = json.loads(file.read_text())
            if "seed" in record:
                file.write_text(json.dumps({**record, "seed": 1001}))
    assert {run.seed for run in compare_runs(root).tree.finished} == {0, 1, 1001}
    assert steps(root, "suite --seeds").seeds[:3] == (0, 1, 2)


def test_where_all_is_decided_there_is_nothing_to_do(tmp_path: Path, add_run: AddRun, make: Callable[..., Any]) -> None:
    root = fabricated.add_study(tmp_path, add_run, {"b-standard": (0, 0, 0), "mine": (2, 2, 2)}, noise=0.1)
    assert steps(root) is None
    assert "What would decide it" not in make(root)[0].text


def test_the_page_has_the_command(tmp_path: Path, add_run: AddRun, make: Callable[..., Any]) -> None:
    root = fabricated.add_study(tmp_path, add_run, {"b-standard": (0, 0, 0), "mine": (2, 2, 2)}, seeds=1)
    page, text, _ = make(root, seeds_command="python tools/run_suite.py 'a b.yaml' --seeds")
    assert "python tools/run_suite.py 'a b.yaml' --seeds 0 1" in page.text
    assert text.index('id="next"') < text.index('id="tables"')
    assert "one seed tells nothing from noise; 2 are the least; 24 hours more" in page.text
