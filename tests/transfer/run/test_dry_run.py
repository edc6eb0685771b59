"""A dry run tells what a run would do, has made real steps, and leaves nothing behind."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from mmengine.runner import Runner, TestLoop

from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from transfer.run.dry_run import StepTimer
from transfer.run.dry_run import _time_protocol as time_protocol
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION
from transfer.tasks.segmentation import SEGMENTATION

ROOT = Path(__file__).resolve().parents[3]
TASKS = {
    "det": (DETECTION, "det_configs/faster_rcnn_fpn_demo.py", "VOCdevkit"),
    "seg": (SEGMENTATION, "seg_configs/fcn_os8_demo.py", "ADEChallengeData2016"),
    "c4": (DETECTION, "det_configs/faster_rcnn_c4_voc07.py", "VOCdevkit"),
}
PLAN = {
    "det": (
        "network   mobilenet_v1_025 (random) from random:mobilenet_v1_025",
        "model     FasterRCNN, ",
        "frozen    stem, stage 1, BatchNorm's statistics\n",
        ": 6 classes, 10 training and 6 test images, fingerprint ",
        "protocol  faster_rcnn_fpn_demo, hash ",
        "lr        0.01 (the protocol's, for its total batch of 8)\n",
        "LinearLR from iteration 0 to iteration 20, CosineAnnealingLR from iteration 0 to iteration 14; training ends "
        "at iteration 14 (7 epochs)\n",
    ),
    "seg": (
        "model     EncoderDecoder, ",
        "frozen    stem, stage 1, BatchNorm's statistics\n",
        "lr        0.01 (the protocol's, for its total batch of 8)\n",
        "schedule  PolyLR from iteration 0 to iteration 50; training ends at iteration 50 (40.0 epochs = 50 iterations "
        "x 8 / 10 images)\n",
    ),
    "c4": (
        "frozen    stem, stage 1, BatchNorm's statistics\n",
        "protocol  faster_rcnn_c4_voc07, hash ",
        "lr        0.01 / 8 x 2 = 0.0025 (total batch 2)\n",
        "length    param_scheduler.0.end 50 x 8 / 2 = 200\n",
    ),
}
SHORT = {
    "det": ("train_cfg.max_epochs=7",),
    "seg": ("train_cfg.max_iters=50",),
    "c4": ("train_cfg.max_epochs=7",),
}
FROZEN = ("model.backbone.frozen_stages=1", "model.backbone.norm_eval=True")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=10, size=96, layouts=("detection", "segmentation"))


def start(kind: str, data: Path, *options: str, out: Path | None = None) -> dict:
    task, protocol, folder = TASKS[kind]
    return run_transfer(
        task,
        TransferOptions(
            config=str(ROOT / protocol),
            backbone="random:mobilenet_v1_025",
            out=str(out) if out else None,
            data=str(data / folder),
            workers=0,
            dry_run=True,
            total_batch=2 if kind == "c4" else None,
            cfg_options=options,
        ),
    )


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the current one and the one for temporary files, empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("kind", TASKS)
def test_it_prints_the_plan_and_its_cost_and_writes_nothing(
    kind: str,
    data: Path,
    small_c4: tuple[str, ...],
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = small_c4 if kind == "c4" else ()
    timers: list[StepTimer] = []
    created = StepTimer.__init__
    monkeypatch.setattr(StepTimer, "__init__", lambda self, world: (timers.append(self), created(self, world))[0])
    assert start(kind, data, *SHORT[kind], *small, *FROZEN, out=elsewhere / "run") == {}
    printed = capsys.readouterr().out
    for words in PLAN[kind]:
        assert words in printed
    assert re.search(r"proof     \d+ tensors arrived in the built model, features equal bit for bit", printed)
    estimate = "over 8 images" if kind == "seg" else "with the pretrained statistics"  # of the heads' own
    assert re.search(rf"norms     BatchNorm, {estimate}; layers as built: \{{'BatchNorm2d': \d+\}}\n", printed)
    assert re.search(r"time      \d+\.\d+ s per iteration \(.*\): .* for training, .* for evaluation, ", printed)
    assert re.search(r"memory    \d+\.\d GB of main memory", printed)
    assert printed.endswith("dry run: nothing was trained, nothing was written\n")
    total, trained = (
        int(count.replace(",", "")) for count in re.findall(r"([\d,]{5,}) (?:parameters|of them)", printed)
    )
    assert 0.5 * total < trained < total
    assert len(timers[0].seconds) == 4
    assert all(seconds > waited >= 0 for seconds, waited in zip(timers[0].seconds, timers[0].waits, strict=True))
    assert list(elsewhere.iterdir()) == []


def test_it_tries_both_protocols_of_the_evaluation(
    data: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def slowly(runner: Runner, loop: TestLoop) -> float:
        time_protocol(runner, loop)
        seen.append(type(runner.model).__name__)
        return 60.0 if len(seen) == 1 else 600.0

    monkeypatch.setattr("transfer.run.dry_run._time_protocol", slowly)
    assert start("seg", data, "train_cfg.max_iters=1", "multi_scale=True") == {}
    assert seen == ["EncoderDecoder", "SegTTAModel"]
    assert " 11:00 for evaluation" in capsys.readouterr().out  # one batch of each
    assert list(elsewhere.iterdir()) == []


def test_what_a_run_would_stumble_over_is_told(data: Path, elsewhere: Path) -> None:
    with pytest.raises(UserError, match="to have 128 channels, but got 64"):
        start("det", data, "model.neck.out_channels=64")
    with pytest.raises(UserError, match=r"loss is (nan|inf) at iteration"):
        start("seg", data, "optim_wrapper.optimizer.lr=1e30")
    assert list(elsewhere.iterdir()) == []
