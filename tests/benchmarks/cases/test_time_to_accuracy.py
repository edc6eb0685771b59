"""The time to an accuracy is that of the first evaluation that reaches it."""

from __future__ import annotations

from pathlib import Path

from pytest import MonkeyPatch, mark

from backbones.data.shapes import make_shapes
from benchmarks.cases.training import time_to_accuracy as case
from benchmarks.subjects import classification_loops
from benchmarks.subjects.accuracy import ComparedTraining


def test_the_first_evaluation_that_reaches_it_counts() -> None:
    aim = case.AIM
    assert case.first_reach([(1.0, aim - 1), (2.0, aim), (3.0, aim - 5), (4.0, aim + 5)]) == (2.0, True)
    assert case.first_reach([(1.0, aim - 1), (2.0, aim - 0.1)]) == (2.0, False)


def test_a_line_of_the_table() -> None:
    assert case.line([(10.0, True), (20.0, False)]) == {
        **{case.SECONDS: 15.0, case.REACHED: 1.0},
        **{"seed 0": 10.0, "seed 1": 20.0},
    }


@mark.parametrize("name", case.PROGRAMS)
def test_every_epoch_is_evaluated(name: str, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(classification_loops, "loader_workers", lambda: 0)
    monkeypatch.setattr("benchmarks.subjects.accuracy.loader_workers", lambda: 0)
    data = make_shapes(tmp_path / "data", images=48, size=40, layouts=["classification"]) / "classification"
    classes = len(list((data / "train").iterdir()))
    training = ComparedTraining(data, tmp_path / "run", classes, 0, size=32, batch=8, epochs=2)
    (first, one), (second, two) = case.PROGRAMS[name](training)
    assert 0 < first < second
    assert all(0 <= top1 <= 100 for top1 in (one, two))
