"""The records of ``metrics.jsonl``, sent to TensorBoard and Weights & Biases as well."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from backbones.errors import UserError

PLACES = ("step", "epoch", "kind")  # of a record: where it belongs, not what was measured


@dataclass(frozen=True)
class Tracker:
    """One receiver of records; ``close`` when the run ends or stops."""

    record: Callable[[Mapping[str, Any]], None]
    close: Callable[[], None]


def check_trackers(tensorboard: bool, wandb_project: str | None) -> None:
    """See that the packages are there, before a run folder is made.

    Raises:
        UserError: The package of a tracker that is asked for is not installed.
    """
    wanted = (("tensorboard", "torch.utils.tensorboard", tensorboard), ("wandb", "wandb", wandb_project))
    for package, module, asked in wanted:
        if asked:
            try:
                import_module(module)
            except ImportError as error:
                raise UserError(f"--{package}: {error}; pip install {package}") from None


def open_trackers(
    folder: Path, tensorboard: bool, wandb_project: str | None, run: Mapping[str, Any], step: int
) -> list[Tracker]:
    """The trackers asked for, of a run that has done ``step`` batches; ``check_trackers`` came before."""
    trackers = []
    if tensorboard:
        trackers.append(_tensorboard(folder, step))
    if wandb_project:
        trackers.append(_wandb(folder, wandb_project, run))
    return trackers


def _scalars(record: Mapping[str, Any]) -> dict[str, float]:
    return {f"{record['kind']}/{name}": value for name, value in record.items() if name not in PLACES}


def _tensorboard(folder: Path, step: int) -> Tracker:
    from torch.utils.tensorboard import SummaryWriter

    # What a killed run wrote after its last checkpoint is about to be written again.
    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def record(values: Mapping[str, Any]) -> None:
        for name, value in _scalars(values).items():
            writer.add_scalar(name, value, values["step"])

    return Tracker(record, writer.close)


def _wandb(folder: Path, project: str, run: Mapping[str, Any]) -> Tracker:
    import wandb

    identity = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]  # the same run when it is resumed
    name = f"{folder.resolve().parent.name}/{folder.resolve().name}"
    try:
        session = wandb.init(project=project, name=name, id=identity, resume="allow", dir=str(folder), config=dict(run))
    except Exception as error:  # no account, no network, ...: types of its own
        raise UserError(f"--wandb {project}: {error}") from None

    def record(values: Mapping[str, Any]) -> None:
        session.log({**_scalars(values), "batch": values["step"]})

    return Tracker(record, session.finish)
