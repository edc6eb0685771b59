"""Records on their way to TensorBoard and Weights & Biases."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pytest import MonkeyPatch, approx, importorskip, mark, raises

from backbones.errors import UserError
from backbones.monitoring.trackers import check_trackers, open_trackers

STEP = {"kind": "step", "step": 50, "epoch": 0.5, "loss": 1.5, "learning_rate": 0.1}
EPOCH = {"kind": "epoch", "step": 100, "epoch": 1.0, "loss": 1.25, "top1": 60.0}


def test_none_was_asked_for(tmp_path: Path) -> None:
    assert open_trackers(tmp_path, False, None, {}, 0) == []
    assert list(tmp_path.iterdir()) == []


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader = importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    accumulator = reader.EventAccumulator(str(folder))
    accumulator.Reload()
    names = accumulator.Tags()["scalars"]
    return {name: [(event.step, event.value) for event in accumulator.Scalars(name)] for name in names}


def test_tensorboard_has_what_was_measured_at_its_step(tmp_path: Path) -> None:
    importorskip("tensorboard", reason="tensorboard is not installed")
    (tracker,) = open_trackers(tmp_path, True, None, {}, 0)
    tracker.record(STEP)
    tracker.record(EPOCH)
    tracker.close()
    assert scalars(tmp_path / "tensorboard") == {
        "step/loss": [(50, 1.5)],
        "step/learning_rate": [(50, approx(0.1))],
        "epoch/loss": [(100, 1.25)],
        "epoch/top1": [(100, 60.0)],
    }


def test_what_is_about_to_be_done_again_is_purged(tmp_path: Path) -> None:
    """A killed run wrote steps 50 to 150, and goes on from its checkpoint after 75 batches."""
    importorskip("tensorboard", reason="tensorboard is not installed")
    (killed,) = open_trackers(tmp_path, True, None, {}, 0)
    for step in (50, 100, 150):
        killed.record({**STEP, "step": step, "loss": 1.0})
    killed.close()
    (resumed,) = open_trackers(tmp_path, True, None, {}, 75)
    for step in (100, 150):
        resumed.record({**STEP, "step": step, "loss": 2.0})
    resumed.close()
    assert scalars(tmp_path / "tensorboard")["step/loss"] == [(50, 1.0), (100, 2.0), (150, 2.0)]


@mark.parametrize(
    ("module", "options", "message"),
    [
        ("torch.utils.tensorboard", (True, None), "--tensorboard: .*; pip install tensorboard"),
        ("wandb", (False, "project"), "--wandb: .*wandb.*; pip install wandb"),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: MonkeyPatch, module: str, options: tuple[bool, str | None], message: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with raises(UserError, match=message):
        check_trackers(*options)


def test_nobody_misses_what_was_not_asked_for(monkeypatch: MonkeyPatch) -> None:
    for module in ("torch.utils.tensorboard", "wandb"):
        monkeypatch.setitem(sys.modules, module, None)
    check_trackers(False, None)
    with raises(UserError):
        check_trackers(True, None)


def test_wandb_gets_the_run_and_its_records(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    started: list[Mapping[str, Any]] = []
    logged: list[Mapping[str, Any]] = []
    finished: list[bool] = []

    def init(**options: Any) -> SimpleNamespace:
        started.append(options)
        return SimpleNamespace(log=logged.append, finish=lambda: finished.append(True))

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    (tracker,) = open_trackers(tmp_path / "run7", False, "study", {"seed": 3}, 0)
    open_trackers(tmp_path / "run7", False, "study", {"seed": 3}, 5)
    open_trackers(tmp_path / "other" / "run7", False, "study", {"seed": 3}, 0)
    tracker.record(EPOCH)
    tracker.close()
    assert started[0]["project"] == "study"
    assert started[0]["config"] == {"seed": 3}
    first, resumed, namesake = (call["id"] for call in started)
    assert started[0]["resume"] == "allow"
    assert first == resumed != namesake
    assert logged == [{"epoch/loss": 1.25, "epoch/top1": 60.0, "batch": 100}]
    assert finished == [True]
