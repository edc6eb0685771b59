"""Hooks that prove: before a training that every tensor arrived, after it that what should have moved has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from transfer.openmmlab.unwrap import unwrap_model
from transfer.proof.after_training import Held, check_gradients, check_will_move


class ProofHook(Hook):
    """Call ``prove(model)`` once the framework has built and loaded everything, before the first training step.

    A resumed model has trained on, so its weights no longer equal the bundle's; the proof of its start is on record.
    """

    priority = "VERY_HIGH"

    def __init__(self, prove: Callable[[nn.Module], None]) -> None:
        self.prove = prove

    def before_train(self, runner: Runner) -> None:
        if runner.iter == 0:
            # The trunks built for comparison draw random numbers, which the training must not miss.
            with torch.random.fork_rng(devices=[]):
                self.prove(unwrap_model(runner))


class MovableHook(Hook):
    """Stop before and after the first backward pass, and not after the training, if the trunk cannot learn.

    Args:
        held: What the configuration holds fixed.
        trained: The trunk comes from a training. A random one may be so faded that no gradient reaches it; that is
            its result, and no mistake.
    """

    def __init__(self, held: Held, trained: bool) -> None:
        self.held = held
        self.trained = trained

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter == 0:
            check_will_move(unwrap_model(runner), runner.optim_wrapper.optimizer, self.held)
            if self.trained:
                self._check_first_update(runner)

    def _check_first_update(self, runner: Runner) -> None:
        """Gradients are there between the backward pass and the update, which clears them."""
        wrapper, update = runner.optim_wrapper, runner.optim_wrapper.step

        def step(*arguments: Any, **options: Any) -> None:
            del wrapper.step  # the class's own again
            check_gradients(unwrap_model(runner), self.held)
            update(*arguments, **options)

        wrapper.step = step


class AfterTrainingHook(Hook):
    """Call ``check(model, iterations)`` once the training is complete, also for one that was resumed after its end."""

    priority = "VERY_LOW"

    def __init__(self, check: Callable[[nn.Module, int], None]) -> None:
        self.check = check

    def after_train(self, runner: Runner) -> None:
        self.check(unwrap_model(runner), runner.iter)
