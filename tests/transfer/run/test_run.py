"""Mistakes in a configuration that only a framework notices: one message, and no run folder."""

from __future__ import annotations

import errno
import json
import os
import sysconfig
from pathlib import Path

import pytest

from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from transfer.protocol.config_errors import named_as
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION
from transfer.tasks.segmentation import SEGMENTATION

ROOT = Path(__file__).resolve().parents[3]
TASKS = {
    "det": (DETECTION, "det_configs/faster_rcnn_fpn_demo.py", "VOCdevkit"),
    "seg": (SEGMENTATION, "seg_configs/fcn_os8_demo.py", "ADEChallengeData2016"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    make_shapes(out, images=10, size=96, layouts=("detection", "segmentation"))
    # As some editors write them: the check accepts it, so the training must read it (``transfer.openmmlab.reading``).
    for path in (out / "VOCdevkit").rglob("ImageSets/Main/*.txt"):
        path.write_bytes(("\ufeff" + path.read_text().replace("\n", " \r\n")).encode())
    return out


def start(kind: str, data: Path, out: Path, *options: str, resume: bool = False) -> None:
    task, protocol, folder = TASKS[kind]
    run_transfer(
        task,
        TransferOptions(
            config=str(ROOT / protocol),
            backbone="random:resnet18_d",
            out=str(out),
            data=str(data / folder),
            workers=0,
            resume=resume,
            cfg_options=options,
        ),
    )


@pytest.mark.parametrize(
    ("kind", "option", "words"),
    [
        ("seg", "param_scheduler.0.type=NoSuch", "NoSuch is not in the"),
        ("seg", "param_scheduler.0.end=-5", "end should be larger than begin"),
        ("seg", "optim_wrapper.optimizer.nestrov=True", "has no option 'nestrov'"),
        ("seg", "optim_wrapper.optimizer.type=SGDD", "optim_wrapper cannot be used"),
        ("seg", "optim_wrapper.clip_grad=5", "clip_grad"),
        ("seg", "train_cfg.max_iter=5", "has no option 'max_iter'"),
        ("seg", "train_dataloader.sampler.type=NoSuch", "NoSuch is not in the"),
        ("seg", "test_cfg.type=NoSuch", "NoSuch is not in the"),
        ("seg", "default_hooks.checkpoint.intervall=3", "has no option 'intervall'"),
        ("seg", "default_hooks.checkpoint.out_dir=elsewhere", "checkpoints stay in the run folder"),
        ("seg", "default_hooks.checkpoint.filename_tmpl=step-{}.pth", "checkpoints stay in the run folder"),
        ("seg", "model.decode_head=None", "cannot be used with --cfg-options model.decode_head=None"),
        ("det", "multi_scale=True", "tta_pipeline cannot be used"),
        ("seg", "model.decode_head.depth=1", "has no option 'depth'"),
        ("det", "train_cfg.max_iters=5", "has no option 'max_iters'"),
        ("det", "model.neck.out_channels=64", "to have 128 channels, but got 64"),  # seen in the first step
    ],
)
def test_one_message_and_no_folder(kind: str, option: str, words: str, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / option.replace(".", "-")
    with pytest.raises(UserError) as caught:
        start(kind, data, out, option)
    assert words in str(caught.value)
    assert option in str(caught.value)
    assert TASKS[kind][1] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "option", "words"),
    [
        ("seg", "test_evaluator.ignore_index=0", "test_evaluator is .*'ignore_index': 0.* alone"),
        ("seg", "test_evaluator.type=IoUMetric", "test_evaluator is .*'IoUMetric'.* alone"),
        ("det", "test_evaluator.prefix=mine", "test_evaluator is .*'prefix': 'mine'.* alone"),
        ("det", "test_evaluator.type=VOCMetric", "test_evaluator is .*'VOCMetric'.* alone"),
    ],
)
def test_an_evaluation_without_our_metrics_is_refused_before_training(
    kind: str, option: str, words: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        start(kind, data, tmp_path / "run", option)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_there_survives_a_failed_start(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("transfer.run.run._train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            start("seg", data, out)
    (out / "openmmlab" / "iter_2.pth").write_bytes(b"a checkpoint")
    asked = json.loads((out / "run.json").read_text())
    with monkeypatch.context() as patch:
        patch.setattr("transfer.run.run.build_runner", lambda *_: (_ for _ in ()).throw(UserError("no")))
        with pytest.raises(UserError, match="no"):
            start("seg", data, out, resume=True)
    stored = json.loads((out / "run.json").read_text())
    assert len(stored.pop("sittings")) == 2  # the failed start is on record, too
    assert len(asked.pop("sittings")) == 1
    assert stored == asked
    assert (out / "openmmlab" / "iter_2.pth").read_bytes() == b"a checkpoint"


def test_no_compiler_is_no_message(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """mmengine logs the version of the compiler that Python was built with, and asks a shell for it."""
    known = sysconfig.get_config_var
    monkeypatch.setattr(
        sysconfig, "get_config_var", lambda name: "no-such-compiler -pthread" if name == "CC" else known(name)
    )
    monkeypatch.setattr("transfer.run.run._train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        start("seg", data, tmp_path / "run")
    os.system("no-such-program")  # control: such a message is seen, and standard error is as it was before
    (log,) = (tmp_path / "run").glob("openmmlab/*/*.log")
    assert "GCC: n/a" in log.read_text()
    printed = capfd.readouterr().err
    assert "no-such-program" in printed
    assert "no-such-compiler" not in printed


def test_errors_that_are_ours_are_not_blamed_on_options(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("transfer.run.hooks.ProgressHook.before_train", fail)
    with pytest.raises(ZeroDivisionError):
        start("seg", data, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_messages_are_short_and_keep_what_is_already_one() -> None:
    with pytest.raises(UserError) as caught, named_as(["model", "train_cfg"], "c.py", ["train_cfg.x=1", "a.b=2"]):
        raise KeyError("no\n  such " + "thing " * 200)
    message = str(caught.value)
    assert message.startswith(
        "c.py: model, train_cfg cannot be used with --cfg-options train_cfg.x=1: KeyError: no such"
    )
    assert len(message) < 600
    for innocent in (OSError(errno.EMFILE, "Too many open files"), MemoryError(), BrokenPipeError(32, "Broken pipe")):
        with pytest.raises(type(innocent)), named_as(["model"], "c.py", []):
            raise innocent
    with pytest.raises(UnicodeEncodeError), named_as(["model"], "c.py", []):
        "caf\udce9".encode()
    with pytest.raises(UserError, match=r"^mine$"), named_as(["model"], "c.py", []):
        raise UserError("mine")
    with pytest.raises(KeyboardInterrupt), named_as(["model"], "c.py", []):
        raise KeyboardInterrupt


def test_an_option_that_a_framework_does_not_know_is_named_by_its_key() -> None:
    def loop(max_epochs: int) -> int:
        return max_epochs

    options = ["train_cfg.max_epoch=1", "model.x=2"]
    with pytest.raises(UserError) as caught, named_as(["train_cfg", "train_dataloader"], "c.py", options):
        loop(**{"max_epoch": 1})
    place = "c.py: --cfg-options train_cfg.max_epoch=1: "
    assert str(caught.value).startswith(place)
    assert str(caught.value).endswith("loop has no option 'max_epoch'; correct or remove it")
    with (
        pytest.raises(UserError, match=r"c\.py: model: .*loop has no option 'other'"),
        named_as(["model"], "c.py", options),
    ):
        loop(**{"other": 1})
