"""How fast something is: medians of repeated timings, on a CPU or a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

WARMUP_STEPS = 2
SAMPLE_SECONDS = 0.2  # a sample repeats its step until it lasts about as long, so that a clock can tell


@dataclass(frozen=True)
class Speed:
    """Images per second: median, slowest and fastest sample."""

    median: float
    slowest: float
    fastest: float


class Stopwatch:
    """Times a step over ``images`` images: warmed up on creation, one sample per call of ``sample``."""

    def __init__(self, step: Callable[[], object], images: int, device: torch.device) -> None:
        self._step = step
        self._images = images
        self._device = device
        self._speeds: list[float] = []
        for _ in range(WARMUP_STEPS):
            seconds = _seconds(step, 1, device)
        self._steps = max(1, round(SAMPLE_SECONDS / seconds))

    def sample(self) -> None:
        """Take one more sample."""
        self._speeds.append(self._steps * self._images / _seconds(self._step, self._steps, self._device))

    @property
    def speed(self) -> Speed:
        """Of the samples so far."""
        return Speed(statistics.median(self._speeds), min(self._speeds), max(self._speeds))


def _seconds(step: Callable[[], object], steps: int, device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    for _ in range(steps):
        step()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
