"""``last.pt``: everything that a run needs to go on exactly where it stopped.

All random numbers are keyed by seed and place (``backbones.data.randomness``), so there is no generator state to save:
weights, their average, optimizer, loss scale and the number of steps done are the whole state. The file loads with
``weights_only=True``: it holds tensors and plain values.
"""

from __future__ import annotations

import io
import os
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from backbones.errors import UserError
from backbones.files import write_bytes
from backbones.training.ema import WeightAverage

FORMAT = 2


@dataclass
class Progression:
    """How far a run is. Changes as it goes on.

    ``step`` counts batches done; ``evaluated_step`` is the step of the last evaluation, ``top1`` and ``top5`` its
    outcome in percent, ``best_step`` and ``best_top1`` the same for the best evaluation. ``loss_sum`` adds up the
    losses of the current epoch so far. ``train_seconds`` is time spent on training batches, ``total_seconds`` includes
    evaluation and saving; both over all sittings.
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
) -> None:
    """Write the state of a run, atomically.

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
) -> Progression:
    """Put model, average, optimizer and scaler into the saved state, and return how far the run was.

    Raises:
        UserError: The file is missing, damaged, or of another model or format.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such checkpoint")
    device = next(model.parameters()).device
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path} is damaged ({reason}); delete its folder and start the run again") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path} is not a checkpoint of format {FORMAT}; delete its folder and start the run again")
    try:
        model.load_state_dict(state["model"])
        if average:
            average.module.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        return Progression(**state["progression"])
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} belongs to another model: {error}") from None
