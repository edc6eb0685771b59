"""What happens inside mmengine's training loop: the proof, resumable checkpoints, one line of progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from backbones.errors import UserError
from backbones.progress import Effort, Progress
from backbones.run_folder import RunFolder
from transfer.movement import FIRST_STEPS
from transfer.precision import compute_in_bfloat16


class ProofHook(Hook):
    """Call ``prove(model)`` once the framework has built and loaded everything, before the first training step.

    A resumed model has trained on, so its weights no longer equal the bundle's; the proof of its start is on record.
    """

    priority = "VERY_HIGH"

    def __init__(self, prove: Callable[[nn.Module], None]) -> None:
        self.prove = prove

    def before_train(self, runner: Runner) -> None:
        if runner.iter == 0:
            self.prove(runner.model)


class AfterTrainingHook(Hook):
    """Call ``check(model, iterations)`` once the training is complete, also for one that was resumed after its end."""

    priority = "VERY_LOW"

    def __init__(self, check: Callable[[nn.Module, int], None]) -> None:
        self.check = check

    def after_train(self, runner: Runner) -> None:
        self.check(runner.model, runner.iter)


class SpeedHook(Hook):
    """After the proof: convolutions in channels-last, and in bf16 where the machine is fast at it."""

    priority = "HIGH"

    def __init__(self, bfloat16_modules: Sequence[str]) -> None:
        self.bfloat16_modules = bfloat16_modules
        self.done = False

    def before_train(self, runner: Runner) -> None:
        self._apply(runner)

    def before_test(self, runner: Runner) -> None:
        self._apply(runner)

    def _apply(self, runner: Runner) -> None:
        if not self.done:
            model = runner.model
            model.to(memory_format=torch.channels_last)
            compute_in_bfloat16(model, self.bfloat16_modules)
            self.done = True


class PlainCheckpointHook(Hook):
    """Keep checkpoints loadable with ``weights_only=True``.

    mmengine 0.10.7 stores its message hub with ``HistoryBuffer`` objects, which PyTorch refuses to unpickle since 2.6,
    with good reason. Smoothed log values are not worth a pickle: only plain scalars are kept.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        hub = checkpoint["message_hub"]
        # By exact type: NumPy's float64 is a float to isinstance, and a stranger to the unpickler.
        plain = {key: value for key, value in hub["runtime_info"].items() if type(value) in (int, float, str)}
        checkpoint["message_hub"] = {
            "log_scalars": {},
            "runtime_info": plain,
            "resumed_keys": {key: hub["resumed_keys"][key] for key in plain},
        }


class ProgressHook(Hook):
    """Progress with ETA, records in ``metrics.jsonl``, and a stop when the loss is no number any more."""

    log_every = 20

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def before_train(self, runner: Runner) -> None:
        self.folder.forget_after(runner.iter, runner.iter)
        self.progress = Progress(runner.max_iters, runner.iter)
        self.effort = Effort()
        self.mark = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        waited = self._lap()
        self.effort = replace(self.effort, seconds=self.effort.seconds + waited, waiting=self.effort.waiting + waited)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        step = runner.iter + 1
        losses = {key: float(value.detach()) for key, value in outputs.items()}
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        if not math.isfinite(losses["loss"]):
            raise UserError(
                f"loss is {losses['loss']} at iteration {step} with learning rate {rate:.4g}; lower it with "
                "--cfg-options optim_wrapper.optimizer.lr=… or clip: optim_wrapper.clip_grad=\"{'max_norm': 10}\""
            )
        self.effort = replace(
            self.effort,
            images=self.effort.images + len(data_batch["inputs"]),
            seconds=self.effort.seconds + self._lap(),
        )
        self.progress.update(step, losses["loss"], rate, self.effort)
        if step <= FIRST_STEPS or step % self.log_every == 0 or step == runner.max_iters:
            speed = {"images_per_second": self.effort.images_per_second, "data_wait": self.effort.data_wait}
            self.folder.log({"kind": "step", "step": step, "learning_rate": rate, **losses, **speed})

    def after_train(self, runner: Runner) -> None:
        self.progress.close()

    def _lap(self) -> float:
        before, self.mark = self.mark, time.perf_counter()
        return self.mark - before
