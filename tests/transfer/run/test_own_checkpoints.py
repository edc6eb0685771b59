"""mmengine's checkpoints under our runner: whole or absent, believed only when sound and of the run that goes on."""

from __future__ import annotations

import errno
import random
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from backbones.errors import UserError
from backbones.files import WriteError, full_disk_told
from transfer.openmmlab import ops_bridge

ops_bridge.install()

from transfer.openmmlab.checkpoints import OwnCheckpointsHook, PlainCheckpointHook, check_checkpoint  # noqa: E402
from transfer.run.runner import QuietRunner  # noqa: E402

RUN = {"task": "toy", "seed": 3, "config_hash": "abc", "training": {"processes": 1}}
FLIPS = 250
_number = count()


class Toy(BaseModel):
    """A model of four numbers, two of them BatchNorm's."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = "tensor") -> dict[str, Tensor]:
        return {"loss": self.linear(inputs).square().mean()}


def build(folder: Path, run: dict[str, Any] | None = None, keep: int = 2, resume: Path | None = None) -> QuietRunner:
    """A training of eight steps, which saves every second one."""
    torch.manual_seed(0)
    run = run or RUN
    loader = DataLoader([{"inputs": torch.full((2,), float(value))} for value in range(8)], batch_size=1)
    runner = QuietRunner(
        model=Toy(),
        work_dir=str(folder),
        train_dataloader=loader,
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=8),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01, momentum=0.9)),
        param_scheduler=[dict(type="ConstantLR", factor=0.5, begin=0, end=8, by_epoch=False)],
        default_hooks=dict(
            checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2, max_keep_ckpts=keep), logger=None
        ),
        randomness=dict(seed=run["seed"]),
        resume=resume is not None,
        load_from=resume and str(resume),
        experiment_name=f"toy {next(_number)}",
    )
    for hook in (PlainCheckpointHook(), OwnCheckpointsHook(run, run["seed"])):
        runner.register_hook(hook)
    return runner


def weights(runner: Runner) -> list[float]:
    return [value for tensor in runner.model.state_dict().values() for value in tensor.flatten().tolist()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".pth" in path.name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a training leaves: the checkpoints of steps 6 and 8."""
    folder = tmp_path_factory.mktemp("toy")
    build(folder).train()
    return {name: (folder / name).read_bytes() for name in names(folder)}


@pytest.fixture
def folder(trained: dict[str, bytes], tmp_path: Path) -> Path:
    for name, content in trained.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A checkpoint saved again, with sound checksums, after a change."""
    content = torch.load(path, weights_only=True)
    torch.save(change(content) or content, path)
    return path


def resumed(path: Path, **more: Any) -> QuietRunner:
    runner = build(path.parent, resume=path, **more)
    _ = runner.train_loop
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    runner.load_or_resume()
    return runner


def test_a_sound_one_of_the_run_is_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner = resumed(folder / "iter_6.pth")
    assert runner.iter == 6
    assert capsys.readouterr().out == f"continues at {folder / 'iter_6.pth'}\n"
    assert names(folder) == ["iter_6.pth", "iter_8.pth"]


def test_how_a_batch_is_cut_is_not_the_checkpoints_business(folder: Path) -> None:
    assert resumed(folder / "iter_8.pth", run={**RUN, "training": {"processes": 2}}).iter == 8


@pytest.mark.parametrize(
    ("other", "words"),
    [({"seed": 4}, "seed: 3 there, 4 asked"), ({"config_hash": "abd"}, "config_hash: 'abc' there, 'abd' asked")],
)
def test_one_of_another_run_is_refused_and_both_are_named(other: dict[str, Any], words: str, folder: Path) -> None:
    message = rf"iter_8\.pth belongs to another run \({words}\); delete it to resume at iter_6\.pth$"
    with pytest.raises(UserError, match=message):
        resumed(folder / "iter_8.pth", run={**RUN, **other})


def test_one_of_an_earlier_version_is_known_by_its_seed(folder: Path) -> None:
    path = changed(folder / "iter_8.pth", lambda content: content["meta"].pop("run") and None)
    assert resumed(path).iter == 8
    with pytest.raises(UserError, match=r"belongs to another run \(seed: 3 there, 4 asked\)"):
        resumed(path, run={**RUN, "seed": 4})


def info(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["message_hub"]["runtime_info"]
    return found


FAULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "it holds no meta": lambda content: content.update(meta=None),
    "its meta holds no iter": lambda content: content["meta"].update(iter="8"),
    "its meta holds no epoch": lambda content: content["meta"].pop("epoch") and None,
    "it holds no state_dict": lambda content: content.update(state_dict=[1]),
    "it holds no optimizer": lambda content: content.pop("optimizer") and None,
    "it holds no param_schedulers": lambda content: content.pop("param_schedulers") and None,
    "it holds no message_hub": lambda content: content.update(message_hub="hub"),
    "not a checkpoint of this training (The loaded": lambda content: content.update(message_hub={}),
    "not a checkpoint of this training (optimizer.param_groups is not a list of 1": lambda content: content[
        "optimizer"
    ].update(param_groups=[]),
    "it lacks tensor linear.bias": lambda content: content["state_dict"].pop("linear.bias") is None or None,
    "of another shape or type tensor linear.bias": lambda content: content["state_dict"].update(
        {"linear.bias": "text"}
    ),
    "the model has no tensor 5": lambda content: content["state_dict"].update({5: torch.ones(1)}),
    "its meta holds a config, which": lambda content: content["meta"].update(config="raise SystemExit"),
    "message_hub.runtime_info: all": lambda content: content["message_hub"].update(runtime_info=[]),
    "message_hub.runtime_info: keep_ckpt_ids": lambda content: info(content).update(keep_ckpt_ids="../x"),
    "message_hub.runtime_info: iter": lambda content: info(content).update(iter=[None]),
    "optimizer.param_groups.0.lr is 'x'": lambda content: content["optimizer"]["param_groups"][0].update(lr="x"),
    "optimizer.state.0.momentum_buffer is not": lambda content: content["optimizer"]["state"][0].update(
        momentum_buffer=torch.ones(7)
    ),
    "optimizer has 'base_param_settings', which": lambda content: content["optimizer"].update(
        base_param_settings={"lr": 1.0}
    ),
    "param_schedulers.0.last_step is 'x'": lambda content: content["param_schedulers"][0].update(last_step="x"),
    "param_schedulers.0 has 'step'": lambda content: content["param_schedulers"][0].update(step=5),
    "linear.bias is no plain tensor but without": lambda content: content["state_dict"].update(
        {"linear.bias": torch.ones(2, device="meta")}
    ),
    "type tensor linear.weight": lambda content: content["state_dict"].update(
        {"linear.weight": torch.ones(2, 2, dtype=torch.int8)}
    ),
    "does not say of which run it is": lambda content: content["meta"].update(run=None),
    "it holds no meta ": lambda content: [1, 2],
}


@pytest.mark.parametrize("words", FAULTS)
def test_what_is_sound_and_no_checkpoint_of_this_training_is_refused(
    words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(folder / "iter_8.pth", FAULTS[words])
    with pytest.raises(UserError, match=re.escape(words.strip())) as caught:
        resumed(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith("; delete it to resume at iter_6.pth")
    assert "\n" not in str(caught.value)
    assert "continues" not in capsys.readouterr().out


def test_the_best_checkpoint_that_makes_room_is_one_of_the_run(folder: Path) -> None:
    """mmengine deletes what a checkpoint says was the best one so far, wherever that is, folders included."""
    for said, kept in (("/home/of/others", None), ("/moved/best_miou_iter_2.pth", "best_miou_iter_2.pth")):
        path = changed(folder / "iter_8.pth", lambda content, said=said: info(content).update(best_ckpt=said))
        there = resumed(path).message_hub.runtime_info.get("best_ckpt")
        assert there == (None if kept is None else str(folder / kept))


def test_damage_is_refused_with_the_newest_sound_one_before_it(folder: Path) -> None:
    contents = [b"hello", b"", (folder / "iter_8.pth").read_bytes()[:-100]]
    for content in contents:
        (folder / "iter_8.pth").write_bytes(content)
        with pytest.raises(UserError, match=r"iter_8\.pth is damaged \(.*\); delete it to resume at iter_6\.pth$"):
            resumed(folder / "iter_8.pth")
    (folder / "iter_8.pth").unlink()
    (folder / "iter_8.pth").mkdir()
    with pytest.raises(UserError, match=r"iter_8\.pth is no checkpoint: a folder.*; delete it to resume at iter_6"):
        resumed(folder / "iter_8.pth")
    (folder / "iter_6.pth").write_bytes(b"")
    with pytest.raises(UserError, match=r"iter_8\.pth is no .*; delete it, and --resume begins the training again$"):
        resumed(folder / "iter_8.pth")


def test_a_flipped_bit_is_refused_or_changes_nothing(folder: Path) -> None:
    path, model = folder / "iter_8.pth", Toy()
    content, before = path.read_bytes(), torch.load(path, weights_only=True)
    refused = unnoticed = 0
    weight = content.index(before["state_dict"]["linear.weight"].numpy().tobytes())  # a small part of the file
    places = random.Random(1).sample(range(8 * len(content)), FLIPS)
    for place in (*places, 8 * weight):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            check_checkpoint(path, model)
        except UserError:
            refused += 1
            unnoticed += is_believed(path, before)  # negative control: by PyTorch alone
            continue
        assert not is_believed(path, before), place
    assert 0 < refused < FLIPS
    assert unnoticed > 0


def is_believed(path: Path, before: dict[str, Any]) -> bool:
    """Whether PyTorch reads something else than what was written, and says nothing."""
    try:
        after = torch.load(path, weights_only=True)
        pairs = [
            (after["state_dict"], before["state_dict"]),
            (after["optimizer"]["state"][0], before["optimizer"]["state"][0]),
        ]
        return any(not torch.equal(there[name], tensors[name]) for there, tensors in pairs for name in tensors)
    except Exception:  # it raises many kinds
        return False


@pytest.fixture
def full_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Has a disk take half of the n-th checkpoint, and no more."""
    written = count(1)

    def fill(number: int) -> None:
        def put(self: LocalBackend, content: bytes, filepath: str | Path) -> None:
            if next(written) < number:
                Path(filepath).write_bytes(content)
                return
            Path(filepath).write_bytes(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(LocalBackend, "put", put)

    yield fill
    monkeypatch.undo()


@pytest.mark.parametrize("keep", [1, 2])
def test_a_full_disk_leaves_the_checkpoint_before_and_it_goes_on_there(
    keep: int, tmp_path: Path, full_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build(tmp_path / "whole", keep=keep)
    whole.train()
    full_at(3)
    runner = build(tmp_path / "run", keep=keep)
    with pytest.raises(WriteError, match=r"^cannot write \S+iter_6\.pth: No space left on device; check disk"):
        runner.train()
    kept = names(tmp_path / "run")
    assert kept == ["iter_4.pth"]
    monkeypatch.undo()
    second = build(tmp_path / "run", keep=keep, resume=tmp_path / "run/iter_4.pth")
    second.train()
    assert names(tmp_path / "run") == names(tmp_path / "whole") == ["iter_6.pth", "iter_8.pth"][-keep:]
    assert weights(second) == weights(whole)


def test_stock_mmengine_leaves_half_a_checkpoint(
    tmp_path: Path, full_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above."""
    monkeypatch.setattr(QuietRunner, "save_checkpoint", Runner.save_checkpoint)
    full_at(3)
    with pytest.raises(OSError, match="No space left"):
        build(tmp_path).train()
    assert "iter_6.pth" in names(tmp_path)


def test_of_one_that_is_kept_there_is_always_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = LocalBackend.put

    def put(self: LocalBackend, content: bytes, filepath: str | Path) -> None:
        seen.append([name for name in names(tmp_path) if not name.endswith(".part")])
        original(self, content, filepath)

    monkeypatch.setattr(LocalBackend, "put", put)
    build(tmp_path, keep=1).train()
    assert seen == [[], ["iter_2.pth"], ["iter_4.pth"], ["iter_6.pth"]]
    assert names(tmp_path) == ["iter_8.pth"]


def test_a_log_that_does_not_fit_ends_the_training_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = build(tmp_path)
    (handler,) = (each for each in runner.logger.handlers if hasattr(each, "baseFilename"))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(handler.stream, "write", full, raising=False)
    with (
        pytest.raises(WriteError, match=rf"^cannot write {re.escape(str(tmp_path))}: No space left on device; check"),
        full_disk_told(tmp_path),
    ):
        runner.train()
    assert "Traceback" not in capsys.readouterr().err


def test_other_errors_of_the_system_keep_their_traceback(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), full_disk_told(tmp_path):
        raise ConnectionError(errno.ECONNRESET, "reset")
