"""The catalogue of tasks: one entry, one module and one measure make a task that everything downstream knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pytest import MonkeyPatch, approx, fixture, mark, raises

from studies.comparison.compare import compare_runs
from studies.report.forms.csv_lines import as_csv
from studies.report.forms.records import read_records
from studies.report.forms.text import as_text, write_report
from studies.report.page import write_page
from studies.report.proofs import proofs
from studies.suite.reading import read_suite
from transfer.catalogue import (
    CLASSIFICATION,
    MAPS,
    TASKS,
    Metric,
    TaskEntry,
    further_names,
    load,
    metric_names,
    questions,
    task_of,
    transfers,
)

MODULE = '''
"""Counting: how many images were counted right. The one module of a toy task."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class CountingEvaluation:
    task: ClassVar[str] = "counting"
    names: tuple[str, ...]
    right: np.ndarray


def read(path: Path) -> CountingEvaluation:
    content = json.loads(path.read_text())
    return CountingEvaluation(tuple(content), np.array(list(content.values()), float))


def weighted(evaluation: CountingEvaluation, drawn: np.ndarray) -> dict[str, np.ndarray]:
    return {"counted": drawn @ evaluation.right / drawn.sum(axis=1)}
'''
COUNTING = TaskEntry(
    tool="tools/transfer_count.py",
    short="cnt",
    metrics=(Metric("counted", "counted right"), Metric("counted_twice", "twice", further=True)),
    question="counted",
    evaluations={"counts.json": ""},
    reader="toy_counting:read",
    weighted="toy_counting:weighted",
)
IMAGES = 40


@fixture
def counting(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """A third task: an entry in the table, and a module."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "toy_counting.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(modules))
    monkeypatch.setitem(TASKS, "counting", COUNTING)


@fixture
def runs(tmp_path: Path, add_run: Callable[..., Path]) -> Path:
    """Two rows with three seeds of a training and a transfer to counting, their images beside them."""
    root = tmp_path / "runs"
    for place, recipe in enumerate(("mine", "better")):
        for seed in range(3):
            right = np.arange(IMAGES) % 10 < 3 + 4 * place
            right[: 1 + (seed + place) % 3] = False
            add_run(root, CLASSIFICATION, recipe, (70 + 2 * place + seed / 10, 90), seed)
            path = add_run(root, "detection", recipe, (1, 1), seed)
            content = json.loads((path / "result.json").read_text())
            content |= {"task": "counting", "metrics": {"counted": 100 * float(right.mean())}}
            for name in ("run.json", "result.json"):
                (path / name).write_text(json.dumps(content))
            (path / "counts.json").write_text(json.dumps({f"{k}.jpg": bool(each) for k, each in enumerate(right)}))
    return root


@mark.usefixtures("counting")
def test_a_third_task_is_compared_judged_resampled_and_reported(runs: Path) -> None:
    comparison = compare_runs(runs, "mine")
    cell = comparison.rows[0].cells["counted"]
    assert comparison.rows[0].name == "better"
    assert (cell.verdict.outcome, cell.n) == ("carries over", 3)
    low, high = cell.difference.image_interval
    assert low < cell.difference.value < high
    assert cell.difference.value == approx(40, abs=5)
    text = as_text(comparison)
    assert "Counting (counted right): better against mine: +2.00 points of top-1 and +" in text
    assert "counted right" in text.split("Δ", 1)[0]
    assert ",counted,3," in as_csv(comparison)
    page = write_page(comparison, write_report(comparison).parent).read_text()
    assert "<strong>Counting</strong> · training loss" not in page  # these runs have no log
    assert page.count("counted right") >= 4
    assert "twice" not in text
    proven = proofs(comparison, read_records(comparison))
    assert [(line.task, line.runs) for line in proven] == [("counting", 3), ("counting", 3)]


@mark.usefixtures("counting")
def test_a_suite_may_ask_for_a_third_task(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "seeds: [0]\nclassification: {data: /a}\ncounting: {protocol: p.py, data: /b}\n"
        "rows:\n  - {recipe: d-smooth, network: resnet18_d}\n"
        "expected: {d-smooth: {counted: {at-least: 5}}}\n"
    )
    suite = read_suite(tmp_path / "mine.yaml")
    assert suite.rows[0].tasks == ("counting",)
    assert suite.expected[0].metric == "counted"


def test_the_table_is_whole() -> None:
    keys = [key for entry in TASKS.values() for key in entry.keys]
    assert len(keys) == len(set(keys))
    assert list(questions()) == list(transfers()) == ["detection", "segmentation"]
    for task, entry in TASKS.items():
        assert Path(entry.tool).is_file(), "paths of tools are seen from the project's folder"
        assert all(task_of(key) == task for key in entry.keys)
        if task != CLASSIFICATION:
            assert entry.question in metric_names()
            assert callable(load(entry.reader))
            assert callable(load(entry.weighted))
            assert entry.table.metrics[0] == "top1"
    assert TASKS["segmentation"].drawing == MAPS
    assert "miou_multiscale" in further_names()
    with raises(KeyError, match="counted"):
        task_of("counted")
