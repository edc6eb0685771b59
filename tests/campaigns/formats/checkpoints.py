"""Where a run goes on: ``last.pt`` of a training, ``iter_N.pth`` of a transfer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from backbones.bundles.bundle import tensor_checksum
from backbones.runs.checkpoint_file import remedied
from backbones.training.checkpoint import Progression, load_checkpoint, save_checkpoint
from backbones.training.ema import WeightAverage
from campaigns.formats.format import Format
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.mutation import MISSING, VALUE
from campaigns.mutators.saved import saved_field

_RUN = {"task": "classification", "seed": 0}
Parts = tuple[nn.Module, WeightAverage, torch.optim.Optimizer, torch.amp.GradScaler]


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16))


def _parts() -> Parts:
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    return model, WeightAverage(model, 0.9), optimizer, torch.amp.GradScaler("cpu", init_scale=8.0)


def _build_last(folder: Path) -> None:
    model, average, optimizer, scaler = _parts()
    model(torch.linspace(-1, 1, 2 * 3 * 9 * 9).reshape(2, 3, 9, 9)).square().sum().backward()
    optimizer.step()
    average.update(model, 3)
    progression = Progression(7, 5, 12.5, 50.0, 3, 13.5, 3.25, 10.0, 12.0)
    save_checkpoint(folder / "last.pt", model, average, optimizer, scaler, progression, _RUN)


def _read_last(folder: Path) -> Any:
    """The state as loaded, and the weights after the next step, in which all of it is used."""
    model, average, optimizer, scaler = _parts()
    progression = load_checkpoint(folder / "last.pt", model, average, optimizer, scaler, _RUN)
    loaded = _checksums(model), _checksums(average.module), scaler.state_dict(), asdict(progression)
    model(torch.linspace(0, 1, 2 * 3 * 9 * 9).reshape(2, 3, 9, 9)).square().sum().backward()
    optimizer.step()
    return loaded, _checksums(model)


def _checksums(model: nn.Module) -> dict[str, str]:
    return {name: tensor_checksum(value) for name, value in model.state_dict().items()}


def _build_transfer(folder: Path) -> None:
    state = {"meta": {"epoch": 1, "iter": 10, "seed": 0, "cfg": "a = 1"}, "state_dict": _model().state_dict()}
    hub = {"log_scalars": {}, "runtime_info": {"iter": 10}, "resumed_keys": {"iter": True}}
    torch.save({**state, "message_hub": hub, "optimizer": {}, "param_schedulers": []}, folder / "iter_10.pth")


def _read_transfer(folder: Path) -> Any:
    from transfer.openmmlab.checkpoints import check_checkpoint, newest_checkpoint, remedy

    path = newest_checkpoint(folder)
    if path is None:
        return "begins again"
    with remedied(lambda: remedy(path)):
        check_checkpoint(path, _model(), scheduled=True)
    state, model = torch.load(path, weights_only=True), _model()
    model.load_state_dict(state["state_dict"])
    return _checksums(model), state["meta"]


# A checkpoint is the program's own: nothing in it is right but what it has written.
LAST_BYTES = Format("last.pt-bytes", _build_last, ("last.pt",), _read_last, DAMAGE)
LAST_FIELDS = Format("last.pt-fields", _build_last, ("last.pt",), _read_last, (saved_field,), free=(VALUE, MISSING))


def transfer_formats() -> tuple[Format, ...]:
    """Checkpoints of mmengine. Imports it."""
    from transfer.openmmlab import checkpoints  # noqa: F401 (in this process and not in each of its children)

    return (
        Format(
            "transfer-pth-bytes",
            _build_transfer,
            ("*.pth",),
            _read_transfer,
            DAMAGE,
            free=(),
        ),
        Format(
            "transfer-pth-fields", _build_transfer, ("*.pth",), _read_transfer, (saved_field,), free=(VALUE, MISSING)
        ),
    )
