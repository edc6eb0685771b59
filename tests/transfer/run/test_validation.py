"""Validation while it trains, and TensorBoard: they show the training, and leave every bit of it as it was."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import Runner
from torch import Tensor

from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from transfer.openmmlab import ops_bridge
from transfer.protocol.identity import config_hash
from transfer.protocol.load import load_config
from transfer.run.hooks import ProgressHook
from transfer.run.run import TransferOptions, run_transfer
from transfer.run.validation import ValidationHook, set_validation
from transfer.tasks.detection import DETECTION
from transfer.tasks.segmentation import SEGMENTATION

ROOT = Path(__file__).resolve().parents[3]
PROTOCOLS = sorted([*ROOT.glob("det_configs/*.py"), *ROOT.glob("seg_configs/*.py")])
TASKS = {
    "seg": (SEGMENTATION, "seg_configs/fcn_os8_demo.py", "ADEChallengeData2016"),
    "det": (DETECTION, "det_configs/faster_rcnn_fpn_demo.py", "VOCdevkit"),
}
SHORT = {  # six steps each, in the second case of three epochs
    "seg": (
        "train_cfg.max_iters=3",  # of 8 images
        "default_hooks.checkpoint.interval=2",
        "default_hooks.logger.interval=1",
        "optim_wrapper.optimizer.lr=0.03",
    ),
    "det": ("train_cfg.max_epochs=3", "param_scheduler.0.end=1"),
}
TOTAL_BATCH = {"seg": 4, "det": 3}
EVERY = {"seg": 2, "det": 1}


@pytest.fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=6, size=64, layouts=("detection", "segmentation"))


def run(kind: str, data: Path, out: Path, task: Any = None, **more: Any) -> dict[str, Any]:
    usual, protocol, folder = TASKS[kind]
    options = {
        "config": str(ROOT / protocol),
        "backbone": "random:mobilenet_v1_025",
        "out": str(out),
        "data": str(data / folder),
        "workers": 0,
        "total_batch": TOTAL_BATCH[kind],
        "cfg_options": SHORT[kind],
        "keep": "all",
    }
    return run_transfer(task or usual, TransferOptions(**{**options, **more}))


def records_of(folder: Path, kind: str = "validation") -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [record for record in records if record["kind"] == kind]


def weights_of(folder: Path, name: str) -> dict[str, Tensor]:
    return torch.load(folder / "openmmlab" / name, weights_only=True)["state_dict"]


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "last"), [("seg", "iter_6.pth"), ("det", "epoch_3.pth")])
def test_the_training_is_the_same_to_the_last_bit(
    kind: str, last: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run(kind, data, tmp_path / "plain")
    watched = run(kind, data, tmp_path / "watched", validate_every=EVERY[kind], tensorboard=True)
    assert equal(weights_of(tmp_path / "plain", last), weights_of(tmp_path / "watched", last))
    for key in ("metrics", "per_class", "config_hash", "fixed_hash"):
        assert watched[key] == plain[key]
    assert records_of(tmp_path / "plain") == []
    records = records_of(tmp_path / "watched")
    assert [record["step"] for record in records] == [2, 4, 6]
    final = {name: value for name, value in records[-1].items() if name in watched["metrics"]}
    assert final == watched["metrics"]  # evaluated twice, the same weights
    timings = watched["timings"]
    assert timings["total_seconds"] == pytest.approx(timings["train_seconds"] + timings["test_seconds"], abs=0.02)

    monkeypatch.setattr("transfer.run.validation.generators_kept", nullcontext)
    run(kind, data, tmp_path / "disturbed", validate_every=EVERY[kind])
    assert not equal(weights_of(tmp_path / "plain", last), weights_of(tmp_path / "disturbed", last))


def scripted(values: list[float]) -> Any:
    """The task, measuring a given mIoU at each evaluation."""
    given: Iterator[float] = iter(values)
    return replace(SEGMENTATION, metrics=lambda measured: {"pixel_accuracy": 50.0, "miou": next(given)})


def best_of(folder: Path) -> list[str]:
    return [path.name for path in (folder / "openmmlab").glob("best*")]


def test_the_best_stays_beside_the_last_and_the_last_is_what_counts(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    result = run("seg", data, out, task=scripted([10.0, 30.0, 30.0, 20.0]), validate_every=2)
    assert result["metrics"]["miou"] == 20.0
    assert [record["miou"] for record in records_of(out)] == [10.0, 30.0, 30.0]
    assert best_of(out) == ["best_miou_iter_4.pth"]
    assert equal(weights_of(out, "best_miou_iter_4.pth"), weights_of(out, "iter_4.pth"))
    assert not equal(weights_of(out, "best_miou_iter_4.pth"), weights_of(out, "iter_6.pth"))
    assert "optimizer" not in torch.load(out / "openmmlab/best_miou_iter_4.pth", weights_only=True)
    assert "validation at iteration 4: pixel_accuracy 50.00 %, miou 30.00 %" in capsys.readouterr().out


def stop_once(patch: pytest.MonkeyPatch, owner: type, name: str, when: Callable[[Runner], bool]) -> None:
    original = getattr(owner, name)

    def stopping(self: Any, runner: Runner, *arguments: Any, **named: Any) -> None:
        if when(runner):
            raise KeyboardInterrupt
        original(self, runner, *arguments, **named)

    patch.setattr(owner, name, stopping)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    accumulator = reader.EventAccumulator(str(folder))
    accumulator.Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]
    }


def test_a_resumed_run_validates_what_it_missed_and_knows_the_best_wherever_it_lies(data: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # Checkpoint 4 is written, its validation is not; nor is the fifth step, of which TensorBoard has heard.
        stop_once(patch, ValidationHook, "before_val", lambda runner: runner.iter == 4)
        with pytest.raises(KeyboardInterrupt):
            run("seg", data, tmp_path / "run", scripted([10.0]), validate_every=2, tensorboard=True)
    moved = Path(shutil.move(tmp_path / "run", tmp_path / "moved"))
    with pytest.MonkeyPatch.context() as patch:
        stop_once(patch, ProgressHook, "after_train_iter", lambda runner: runner.iter == 5)
        with pytest.raises(KeyboardInterrupt):
            run("seg", data, moved, scripted([5.0]), validate_every=2, tensorboard=True, resume=True)
    assert best_of(moved) == ["best_miou_iter_2.pth"]
    again = {"validate_every": 2, "tensorboard": True, "resume": True}
    run("seg", data, moved, scripted([11.0, 12.0]), **again)
    assert [(record["step"], record["miou"]) for record in records_of(moved)] == [(2, 10.0), (4, 5.0), (6, 11.0)]
    assert best_of(moved) == ["best_miou_iter_6.pth"]
    seen = scalars(moved / "tensorboard")
    assert [step for step, _ in seen["loss"]] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in seen["segmentation/miou"]] == [2, 4, 6]
    assert [step for step, _ in seen["test/segmentation/miou"]] == [6]
    logged = {record["step"]: record["loss"] for record in records_of(moved, "step")}
    assert dict(seen["loss"])[6] == pytest.approx(logged[6], rel=0.5)  # mmengine's is a mean over a few steps


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_one_rule_for_all_protocols(path: Path) -> None:
    config = load_config(str(path), [])
    before = config_hash(config, "fp32")
    never, often = load_config(str(path), []), load_config(str(path), [])
    set_validation(never, None)
    assert never.val_cfg is never.val_dataloader is never.val_evaluator is None
    assert "val_interval" not in never.train_cfg
    set_validation(often, 3)
    assert often.train_cfg.val_interval == 3
    assert often.val_dataloader == often.test_dataloader
    assert often.val_evaluator == often.test_evaluator
    assert config_hash(config, "fp32") == before


@pytest.mark.parametrize("option", ["val_dataloader.batch_size=2", "val_cfg.type=ValLoop", "train_cfg.val_interval=2"])
def test_its_other_settings_are_refused(option: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^--cfg-options {option.partition('=')[0]}: use --validate-every N"):
        run("seg", data, tmp_path / "run", cfg_options=(option,))
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_that_is_not_installed_is_told_first(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"^--tensorboard: .*; pip install tensorboard"):
        run("seg", data, tmp_path / "run", tensorboard=True)
    assert list(tmp_path.iterdir()) == []
