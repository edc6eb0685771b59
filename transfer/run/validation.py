"""Evaluations while a transfer trains: to watch it, and to keep the weights of the best one beside the last.

A protocol evaluates once, at its end; what a configuration says of validation is not used. ``--validate-every`` adds
evaluations of the test images, by single scale, and they change nothing: the training goes on with the same random
numbers, and the result is that of the last weights. The best of several evaluations would be a choice by these images.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner, ValLoop

from backbones.errors import UserError, not_none
from backbones.machine.distributed import World
from backbones.runs.run_folder import RunFolder
from backbones.text_files import read_records
from transfer.openmmlab.random_state import generators_kept
from transfer.tasks.task import Task

KIND = "validation"  # of its records in metrics.jsonl
FILE_UNITS = {"epoch": "epoch", "iteration": "iter"}  # as in the names of mmengine's own checkpoints
INTERVALS = ("val_begin", "val_interval", "dynamic_intervals")  # of mmengine's training loops


def refuse_validation_options(options: Sequence[str]) -> None:
    """See that no ``--cfg-options`` is about what only ``--validate-every`` decides.

    Raises:
        UserError: Names the option.
    """
    for option in options:
        key = option.partition("=")[0]
        if key.startswith("val_") or key in [f"train_cfg.{name}" for name in INTERVALS]:
            raise UserError(f"--cfg-options {key}: use --validate-every N, which evaluates what the test does")


def set_validation(config: Config, every: int | None) -> None:
    """Evaluate what the test does every so many epochs or iterations, as the protocol counts; None: never."""
    for name in INTERVALS:
        config.train_cfg.pop(name, None)
    if every is None:
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
        return
    config.train_cfg.val_interval = every
    config.val_cfg = dict(type="ValLoop")
    config.val_dataloader = copy.deepcopy(config.test_dataloader)
    config.val_evaluator = copy.deepcopy(config.test_evaluator)


class UnnoticedValLoop(ValLoop):
    """mmengine's, which takes no random number from the training; samplers and data loaders draw some."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        with generators_kept():
            super().__init__(*arguments, **options)

    def run(self) -> dict[str, Any]:
        """Metrics of the weights as they are."""
        with generators_kept():
            return super().run()


class ValidationHook(Hook):
    """Records each validation in ``metrics.jsonl`` and keeps ``best_METRIC_{epoch,iter}_N.pth``.

    Args:
        folder: The run's.
        task: Says which metrics there are.
        world: The processes that share the training.
        tell: Prints a line.
    """

    priority = "VERY_LOW"  # its turn comes when the records of a lost stretch are forgotten

    def __init__(self, folder: RunFolder, task: Task, world: World, tell: Callable[[str], None]) -> None:
        self.folder = folder
        self.task = task
        self.world = world
        self.tell = tell

    def before_train(self, runner: Runner) -> None:
        """A validation that a kill prevented, after the checkpoint of that step was written, comes now."""
        if self.world.on_rank_zero(lambda: self._missed(runner)):
            runner.val_loop.run()

    def before_val(self, runner: Runner) -> None:
        self.started = time.perf_counter()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if not self.world.leads:
            return
        measured = self.task.metrics(not_none(metrics))
        value = measured[self.task.main_metric]
        if all(value > record[self.task.main_metric] for record in self._records()):
            self._keep(runner)
        seconds = round(time.perf_counter() - self.started, 2)
        self.folder.log({"kind": KIND, "step": runner.iter, **measured, "seconds": seconds})
        unit, done, _ = _progress(runner)
        values = ", ".join(f"{name} {value:.2f} %" for name, value in measured.items())
        self.tell(f"validation at {unit} {done}: {values}")

    def _missed(self, runner: Runner) -> bool:
        _, done, end = _progress(runner)
        due = done > 0 and (done % runner.val_interval == 0 or done == end)
        return due and all(record["step"] != runner.iter for record in self._records())

    def _records(self) -> list[dict[str, Any]]:
        if not self.folder.metrics.exists():
            return []
        return [record for record in read_records(self.folder.metrics) if record["kind"] == KIND]

    def _keep(self, runner: Runner) -> None:
        """Write the weights as they are, and remove what was the best before."""
        unit, done, _ = _progress(runner)
        folder = Path(runner.work_dir)
        name = f"best_{self.task.main_metric}_{FILE_UNITS[unit]}_{done}.pth"
        runner.save_checkpoint(
            runner.work_dir,
            name,
            save_optimizer=False,
            save_param_scheduler=False,
            meta={"epoch": runner.epoch, "iter": runner.iter},
        )
        for other in folder.glob("best_*.pth"):
            if other.name != name:
                other.unlink()


def _progress(runner: Runner) -> tuple[str, int, int]:
    """What the protocol counts, how many of them are done, and how many there are."""
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        return "epoch", runner.epoch, runner.max_epochs
    return "iteration", runner.iter, runner.max_iters
