"""A training in two parts: stopped, continued where it was, wherever the folder is now, and timed as a whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import Runner
from torch import Tensor

from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from transfer.openmmlab.unwrap import unwrap_model
from transfer.run.hooks import ProgressHook
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION
from transfer.tasks.segmentation import SEGMENTATION

ROOT = Path(__file__).resolve().parents[3]
LONG_AGO = 1000.0  # seconds
TASKS = {
    "seg": (SEGMENTATION, "seg_configs/fcn_os8_demo.py", "ADEChallengeData2016"),
    "det": (DETECTION, "det_configs/faster_rcnn_fpn_demo.py", "VOCdevkit"),
}
SHORT = {  # six steps each, in the second case of two epochs
    "seg": ("train_cfg.max_iters=3", "default_hooks.checkpoint.interval=2"),  # of 8 images
    "det": ("train_cfg.max_epochs=2", "param_scheduler.0.end=1"),
}
TOTAL_BATCH = {"seg": 4, "det": 3}
LAST = {"seg": "iter_4.pth", "det": "epoch_1.pth"}  # of a run stopped after its fifth step


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=9, size=64, layouts=("detection", "segmentation"))


def run(kind: str, data: Path, out: Path, resume: bool = False, keep: str = "all") -> dict[str, Any]:
    task, protocol, folder = TASKS[kind]
    options = TransferOptions(
        config=str(ROOT / protocol),
        backbone="random:mobilenet_v1_025",
        out=str(out),
        data=str(data / folder),
        workers=0,
        resume=resume,
        keep=keep,
        total_batch=TOTAL_BATCH[kind],
        cfg_options=SHORT[kind],
    )
    return run_transfer(task, options)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Numbers the steps made from now on, and stops after one of them."""
    after = ProgressHook.after_train_iter

    def start(stop: int | None = None) -> list[int]:
        steps: list[int] = []

        def watched(self: ProgressHook, runner: Runner, *arguments: Any, **named: Any) -> None:
            after(self, runner, *arguments, **named)
            steps.append(runner.iter + 1)
            if runner.iter + 1 == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(ProgressHook, "after_train_iter", watched)
        return steps

    return start


@pytest.fixture(scope="module")
def originals(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run of each task, stopped after its fifth step."""
    root = tmp_path_factory.mktemp("stopped")
    after = ProgressHook.after_train_iter

    def stopped(self: ProgressHook, runner: Runner, *arguments: Any, **named: Any) -> None:
        after(self, runner, *arguments, **named)
        if runner.iter + 1 == 5:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressHook, "after_train_iter", stopped)
        for kind in TASKS:
            with pytest.raises(KeyboardInterrupt, match="continue with --resume"):
                run(kind, data, root / kind)
    return {kind: root / kind for kind in TASKS}


@pytest.fixture
def stopped(originals: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Such a run, in another place than where it was made."""
    return lambda kind: shutil.copytree(originals[kind], tmp_path / "moved" / kind)


@pytest.mark.parametrize("kind", TASKS)
def test_it_goes_on_at_the_last_checkpoint_wherever_the_folder_is_now(
    kind: str,
    data: Path,
    stopped: Callable[[str], Path],
    watch: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    moved = stopped(kind)
    last = moved / "openmmlab" / LAST[kind]
    checkpoint = torch.load(last, weights_only=True)
    done = checkpoint["meta"]["iter"]
    assert 0 < checkpoint["meta"]["train_seconds"] < LONG_AGO
    checkpoint["meta"]["train_seconds"] = LONG_AGO
    torch.save(checkpoint, last)
    (moved / "openmmlab/last_checkpoint").write_text("")  # what a kill leaves of a file being written
    loaded: dict[int, dict[str, Tensor]] = {}
    before_train = ProgressHook.before_train

    def note(self: ProgressHook, runner: Runner) -> None:
        loaded[runner.iter] = {name: tensor.clone() for name, tensor in unwrap_model(runner).state_dict().items()}
        before_train(self, runner)

    monkeypatch.setattr(ProgressHook, "before_train", note)
    steps = watch()
    result = run(kind, data, moved, resume=True)
    assert done == {"seg": 4, "det": 3}[kind]
    assert steps == list(range(done + 1, 7))
    assert loaded.keys() == {done}
    assert loaded[done].keys() == checkpoint["state_dict"].keys()
    assert all(torch.equal(loaded[done][name], tensor) for name, tensor in checkpoint["state_dict"].items())
    printed = capsys.readouterr().out
    assert f"continues at {last}" in printed
    assert "Loads checkpoint" not in printed
    timings = result["timings"]
    assert LONG_AGO < timings["train_seconds"] < 2 * LONG_AGO
    assert timings["total_seconds"] == pytest.approx(timings["train_seconds"] + timings["test_seconds"], abs=0.02)
    records = [json.loads(line)["step"] for line in (moved / "metrics.jsonl").read_text().splitlines()]
    assert records == [1, 2, 3, 4, 5, 6]  # those after the checkpoint of the second part
    kept = sorted(path.name for path in (moved / "openmmlab").glob("*.pth"))
    # max_keep_ckpts=2 holds over both parts
    assert kept == {"seg": ["iter_4.pth", "iter_6.pth"], "det": ["epoch_1.pth", "epoch_2.pth"]}[kind]


def test_a_finished_run_keeps_its_last_weights_alone_and_is_still_finished(
    data: Path, stopped: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    moved = stopped("seg")
    kept = shutil.copytree(moved, moved.parent / "kept")
    run("seg", data, kept, resume=True)
    result = run("seg", data, moved, resume=True, keep="weights")
    folder = moved / "openmmlab"
    assert [path.name for path in folder.glob("*.pth")] == ["weights.pth"]
    assert not (folder / "last_checkpoint").exists()
    own = torch.load(folder / "weights.pth", weights_only=True)
    whole = torch.load(kept / "openmmlab/iter_6.pth", weights_only=True)
    assert own.keys() == {"meta", "state_dict"}
    assert own["state_dict"].keys() == whole["state_dict"].keys()
    assert all(torch.equal(own["state_dict"][name], tensor) for name, tensor in whole["state_dict"].items())
    assert (folder / "weights.pth").stat().st_size < 0.6 * (kept / "openmmlab/iter_6.pth").stat().st_size
    assert "removed iter_6.pth, iter_4.pth, last_checkpoint (" in capsys.readouterr().out
    assert run("seg", data, moved, resume=True, keep="weights") == result
    assert "is finished; its result:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda tensors: tensors.update(elsewhere=tensors.pop("decode_head.conv_seg.bias")),
            "it lacks tensor decode_head.conv_seg.bias; the model has no tensor elsewhere",
        ),
        (
            lambda tensors: tensors.pop(next(name for name in tensors if name.endswith("num_batches_tracked"))),
            r"it lacks tensor \S+num_batches_tracked",
        ),
        (
            lambda tensors: tensors.update({"decode_head.conv_seg.bias": torch.ones(3)}),
            "of another shape or type tensor decode_head.conv_seg.bias",
        ),
    ],
    ids=["renamed", "counter missing", "other shape"],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    change: Callable[[dict[str, Tensor]], Any], words: str, data: Path, stopped: Callable[[str], Path]
) -> None:
    folder = stopped("seg")
    last = folder / "openmmlab" / LAST["seg"]
    checkpoint = torch.load(last, weights_only=True)
    change(checkpoint["state_dict"])
    torch.save(checkpoint, last)
    metrics = (folder / "metrics.jsonl").read_bytes()
    with pytest.raises(
        UserError, match=rf"^\S*iter_4.pth: not a checkpoint of this model: {words}; delete it"
    ) as caught:
        run("seg", data, folder, resume=True)
    assert "\n" not in str(caught.value)
    assert (folder / "metrics.jsonl").read_bytes() == metrics


def test_a_checkpoint_that_cannot_be_read_is_named(data: Path, stopped: Callable[[str], Path]) -> None:
    folder = stopped("seg")
    last = folder / "openmmlab" / LAST["seg"]
    torch.save({"state_dict": {}, "a class of someone's": Path("x")}, last)
    with pytest.raises(UserError, match=r"^\S*iter_4.pth: not a readable checkpoint \(") as caught:
        run("seg", data, folder, resume=True)
    assert "\n" not in str(caught.value)


def test_the_proof_draws_no_random_number_of_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[Tensor] = []
    prove = "transfer.run.run.prove"

    def watched(*arguments: Any) -> Any:
        from transfer.proof.arrival import prove as original

        torch.rand(5)
        return original(*arguments)

    for name in ("plain", "watched"):
        with monkeypatch.context() as patch:
            if name == "watched":
                patch.setattr(prove, watched)
            run("seg", data, tmp_path / name)
        checkpoint = torch.load(tmp_path / name / "openmmlab/iter_6.pth", weights_only=True)
        states.append(torch.cat([value.flatten().float() for value in checkpoint["state_dict"].values()]))
    assert torch.equal(*states)


def test_runs_of_one_name_share_neither_logger_nor_counters(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def note(self: ProgressHook, runner: Runner) -> None:
        names.append(runner.message_hub.instance_name.rpartition("_2")[0])  # without date and time
        assert runner.logger.instance_name == runner.message_hub.instance_name
        raise KeyboardInterrupt

    monkeypatch.setattr(ProgressHook, "before_train", note)
    for parent in ("one", "other"):
        with pytest.raises(KeyboardInterrupt):
            run("seg", data, tmp_path / parent / "run")
    assert len(set(names)) == 2
