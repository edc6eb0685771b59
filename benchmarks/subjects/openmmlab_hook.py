"""The hook by which mmengine's loops tell the benchmark of their steps."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from benchmarks.harness.contender import TurnReporter


class TurnsHook(Hook):
    """Report training iterations with their losses, then evaluated images.

    ``start`` is called with the runner when everything is built, and then the random numbers begin anew: what was drawn
    to build the model differs between contenders.
    """

    priority = "LOWEST"

    def __init__(self, reporter: TurnReporter, images: int, seed: int, start: Callable[[Runner], None]) -> None:
        self.reporter = reporter
        self.images = images
        self.seed = seed
        self.start = start

    def before_train(self, runner: Runner) -> None:
        self.start(runner)
        for begin in (random.seed, np.random.seed, torch.manual_seed):
            begin(self.seed)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.reporter.step_done(outputs["loss"].item())

    def before_test(self, runner: Runner) -> None:
        self.reporter.begin(self.images)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.reporter.step_done()


_hook: TurnsHook | None = None


def set_hook(hook: TurnsHook) -> None:
    """The one that configurations mean: they can name it, but not hold a connection to another process."""
    global _hook
    _hook = hook


@HOOKS.register_module(name="BenchmarkTurns")
def _benchmark_turns() -> TurnsHook:
    assert _hook is not None
    return _hook
