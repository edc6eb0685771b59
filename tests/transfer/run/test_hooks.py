"""Losses leave the device once per step, and a loss that is no number leaves no checkpoint."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from transfer.openmmlab import ops_bridge
from transfer.run.hooks import ClockHook, LossesHook
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.segmentation import SEGMENTATION

PROTOCOL = Path(__file__).resolve().parents[3] / "seg_configs/fcn_os8_demo.py"
RUNNER = SimpleNamespace(iter=4, optim_wrapper=SimpleNamespace(get_lr=lambda: {"lr": [0.25]}))


class OnDevice(Tensor):
    """A tensor that notes what makes the host wait for it."""

    waits: list[str]

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        if function.__name__ in ("cpu", "item", "tolist", "__float__", "__bool__", "numpy"):
            cls.waits.append(function.__name__)
        found = super().__torch_function__(function, types, arguments, named)
        return found.as_subclass(Tensor) if function.__name__ == "cpu" else found


def test_one_wait_for_all_losses() -> None:
    OnDevice.waits = []
    values = {"loss": 1.5, "loss_cls": 1.0, "loss_bbox": 0.5, "acc": 12.5}
    outputs = {name: torch.tensor(value).as_subclass(OnDevice) for name, value in values.items()}
    hook = LossesHook()
    hook.after_train_iter(RUNNER, 0, outputs=outputs)
    assert hook.means == values
    assert {name: value.item() for name, value in outputs.items()} == values
    assert OnDevice.waits == ["cpu"]


def test_the_mean_of_all_processes_is_recorded_and_ones_own_handed_on() -> None:
    world: Any = SimpleNamespace(mean=lambda values: values.mul_(2))  # in place, as a reduction is
    hook = LossesHook(world)
    outputs = {"loss": torch.tensor(1.0)}
    hook.after_train_iter(RUNNER, 0, outputs=outputs)
    assert (hook.means, outputs) == ({"loss": 2.0}, {"loss": torch.tensor(1.0)})


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_no_number_says_what_to_lower(value: str) -> None:
    with pytest.raises(UserError, match=rf"loss is {value} at iteration 5 with learning rate 0\.25; lower it with"):
        LossesHook().after_train_iter(RUNNER, 0, outputs={"loss": torch.tensor(float(value))})


def test_evaluations_in_between_are_no_training_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("transfer.run.hooks.time", SimpleNamespace(perf_counter=lambda: now[0]))
    clock = ClockHook(started=90.0)
    clock.before_val(RUNNER)
    now[0] = 130.0
    clock.after_val(RUNNER)
    now[0] = 131.0
    assert clock.seconds == 11.0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=6, size=64, layouts=("segmentation",)) / "ADEChallengeData2016"


def test_in_a_run_it_comes_first_and_before_a_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops_bridge.install()  # before mmseg is imported
    from mmseg.models import EncoderDecoder

    loss, after = EncoderDecoder.loss, RuntimeInfoHook.after_train_iter
    places: list[set[int]] = []

    def spoilt(self: Any, *arguments: Any) -> dict[str, Tensor]:
        losses = loss(self, *arguments)
        return {name: value * (float("nan") if len(places) == 2 else 1) for name, value in losses.items()}

    def noted(self: Any, runner: Runner, *arguments: Any, **named: Any) -> None:
        places.append({value.untyped_storage().data_ptr() for value in named["outputs"].values()})
        after(self, runner, *arguments, **named)

    monkeypatch.setattr(EncoderDecoder, "loss", spoilt)
    monkeypatch.setattr(RuntimeInfoHook, "after_train_iter", noted)
    options = TransferOptions(
        config=str(PROTOCOL),
        backbone="random:mobilenet_v1_025",
        out=str(tmp_path / "run"),
        data=str(data),
        workers=0,
        total_batch=2,
        cfg_options=(
            "train_cfg.max_iters=1",  # of 8 images
            "default_hooks.checkpoint.interval=1",
        ),
    )
    with pytest.raises(UserError, match="loss is nan at iteration 3"):
        run_transfer(SEGMENTATION, options)
    assert [len(place) for place in places] == [1, 1]  # all losses of a step came over together
    kept = sorted(path.name for path in (tmp_path / "run/openmmlab").glob("*.pth"))
    assert kept == ["iter_1.pth", "iter_2.pth"]
