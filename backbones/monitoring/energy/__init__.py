"""Electric energy of a run, of those parts of its machine whose counters can be read. None of them can fail a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
import torch.distributed as dist

from backbones.monitoring.energy.gpus import GpuMeter
from backbones.monitoring.energy.processors import ProcessorMeter


class Meter(Protocol):
    """Of one part of the machine, from its making on."""

    @property
    def kwh(self) -> float | None:
        """So far; None where it cannot be read."""


class EnergyMeter:
    """The parts of a machine that do a run's work: "cpu" always, "gpu" where it runs on GPUs."""

    def __init__(self, parts: Mapping[str, Meter | None]) -> None:
        self._parts = parts

    @property
    def kwh(self) -> dict[str, float | None]:
        """So far, by part; None where it cannot be read."""
        return {name: None if meter is None else meter.kwh for name, meter in self._parts.items()}


def energy_record(meter: EnergyMeter | None, sessions: int) -> dict[str, Any]:
    """What ``timings`` say of a run's energy: nothing where a part of the run was done by an earlier start.

    "kwh_of" has each part, with null where it cannot be read; "kwh" is the sum of those that can.
    """
    if meter is None or sessions != 1:
        return {}
    parts = {name: None if kwh is None else round(kwh, 6) for name, kwh in meter.kwh.items()}
    known = [kwh for kwh in parts.values() if kwh is not None]
    return {**({"kwh": round(sum(known), 6)} if known else {}), "kwh_of": parts}


def meter_for(device: torch.device) -> EnergyMeter:
    """A meter of what does a run's work, to be asked by the leading process: all processors here, and the run's GPUs.

    Of processes on several machines it reads nothing: what one of them uses is not the run's energy.
    """
    size = dist.get_world_size() if dist.is_initialized() else 1
    here = int(os.environ.get("LOCAL_WORLD_SIZE", size)) if size > 1 else 1
    gpus = range(here) if size > 1 else [device.index or 0]  # each process has the GPU of its local rank
    parts: dict[str, Callable[[], Meter]] = {"cpu": ProcessorMeter}
    if device.type == "cuda":
        parts["gpu"] = lambda: GpuMeter(gpus)
    return EnergyMeter({name: make() if here == size else None for name, make in parts.items()})
