"""``last.pt``: everything that a run needs to go on exactly where it stopped.

All random numbers are keyed by seed and place (``backbones.data.randomness``), so there is no generator state to save:
weights, their average, optimizer, loss scale and the number of steps done are the whole state. The file loads with
``weights_only=True``: it holds tensors and plain values, and what the run was asked, so that no other run takes it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from backbones.files import write_bytes
from backbones.runs.checkpoint_file import (
    UnusableCheckpoint,
    check_same_run,
    read_checkpoint,
    remedied,
    unusable_on_error,
)
from backbones.runs.loaded_state import require_optimizer_state, require_same_structure
from backbones.training.ema import WeightAverage

FORMAT = 2
REMEDY = "put back a whole one of this run, or delete it: --resume then begins the training again"


@dataclass
class Progression:
    """How far a run is. Changes as it goes on.

    ``step`` counts batches done; ``evaluated_step`` is the step of the last evaluation, ``top1`` and ``top5`` its
    outcome in percent, ``best_step`` and ``best_top1`` the same for the best evaluation. ``loss_sum`` adds up the
    losses of the current epoch so far. ``train_seconds`` is time spent on training batches, ``total_seconds`` includes
    evaluation and saving; both over all parts of the run.
    """

    step: int = 0
    evaluated_step: int = 0
    top1: float = 0.0
    top5: float = 0.0
    best_step: int = 0
    best_top1: float = 0.0
    loss_sum: float = 0.0
    train_seconds: float = 0.0
    total_seconds: float = 0.0


def save_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    average: WeightAverage | None,
    optimizer: Optimizer,
    scaler: torch.amp.GradScaler,
    progression: Progression,
    run: Mapping[str, Any] | None = None,
) -> None:
    """Write the state of a run, atomically.

    Args:
        path: The file.
        model: Its weights and statistics.
        average: The averaged weights, if they are averaged.
        optimizer: Its state.
        scaler: Its scale.
        progression: How far the run is.
        run: Of which run it is, in plain values (``RunFolder.record``).

    Raises:
        WriteError: The file cannot be written.
    """
    state = {
        "format": FORMAT,
        "model": model.state_dict(),
        "average": average.module.state_dict() if average else None,
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "progression": asdict(progression),
        **({} if run is None else {"run": run}),
    }
    stream = io.BytesIO()
    torch.save(state, stream)
    write_bytes(path, stream.getvalue())


def load_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    average: WeightAverage | None,
    optimizer: Optimizer,
    scaler: torch.amp.GradScaler,
    run: Mapping[str, Any] | None = None,
) -> Progression:
    """Put model, average, optimizer and scaler into the saved state, and return how far the run was.

    A file that an earlier version wrote does not say of which run it is, and is taken for one of this run.

    Raises:
        UserError: The file is missing, damaged, of another ``run``, or of another model or format.
    """
    with remedied(lambda: REMEDY):
        state = read_checkpoint(path)
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise UnusableCheckpoint(f"{path} is not a checkpoint of format {FORMAT}")
        if run is not None and "run" in state:
            check_same_run(path, state["run"], run)
        with unusable_on_error(f"{path} belongs to another model"):
            _load_tensors(model, state["model"])
            if average:
                _load_tensors(average.module, state["average"])
            require_optimizer_state(state["optimizer"], optimizer)
            optimizer.load_state_dict(state["optimizer"])
            require_same_structure(state["scaler"], scaler.state_dict(), "scaler")
            scaler.load_state_dict(state["scaler"])
            return _progression(state["progression"])


def _load_tensors(module: nn.Module, tensors: Mapping[str, Any]) -> None:
    """PyTorch looks at names and shapes, and converts a tensor of another type without a word."""
    module.load_state_dict(tensors)
    if others := [name for name, own in module.state_dict().items() if tensors[name].dtype != own.dtype]:
        raise TypeError(f"{others[0]} is {tensors[others[0]].dtype}")


def _progression(values: Mapping[str, Any]) -> Progression:
    progression = Progression(**values)
    for field in fields(Progression):
        value = getattr(progression, field.name)
        if type(value) not in ((int,) if field.type == "int" else (int, float)):
            raise TypeError(f"{field.name} is {value!r}")
    return progression
