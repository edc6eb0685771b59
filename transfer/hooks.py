"""What happens inside mmengine's training loop: the proof, resumable checkpoints, one line of progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from backbones.distributed import ALONE, World
from backbones.errors import UserError
from backbones.fused_update import fuse_updates
from backbones.progress import Effort, Progress
from backbones.run_folder import RunFolder
from transfer.movement import FIRST_STEPS, Held, check_gradients, check_will_move
from transfer.pixel_loss import lose_image_by_image
from transfer.precision import compute_in_bfloat16
from transfer.region_pooling import pool_whole_pyramids


def bare_model(runner: Runner) -> nn.Module:
    """The model itself, without what keeps its replicas together or averages its predictions."""
    model = runner.model
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def check_loss(loss: float, runner: Runner) -> None:
    """See that the step just made had a loss.

    Raises:
        UserError: The loss is no number any more.
    """
    if not math.isfinite(loss):
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        raise UserError(
            f"loss is {loss} at iteration {runner.iter + 1} with learning rate {rate:.4g}; lower it with "
            "--cfg-options optim_wrapper.optimizer.lr=… or clip: optim_wrapper.clip_grad=\"{'max_norm': 10}\""
        )


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
                self.prove(bare_model(runner))


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
            check_will_move(bare_model(runner), runner.optim_wrapper.optimizer, self.held)
            if self.trained:
                self._check_first_update(runner)

    def _check_first_update(self, runner: Runner) -> None:
        """Gradients are there between the backward pass and the update, which clears them."""
        wrapper, update = runner.optim_wrapper, runner.optim_wrapper.step

        def step(*arguments: Any, **options: Any) -> None:
            del wrapper.step  # the class's own again
            check_gradients(bare_model(runner), self.held)
            update(*arguments, **options)

        wrapper.step = step


class AfterTrainingHook(Hook):
    """Call ``check(model, iterations)`` once the training is complete, also for one that was resumed after its end."""

    priority = "VERY_LOW"

    def __init__(self, check: Callable[[nn.Module, int], None]) -> None:
        self.check = check

    def after_train(self, runner: Runner) -> None:
        self.check(bare_model(runner), runner.iter)


@HOOKS.register_module()
class SpeedHook(Hook):
    """After the proof: channels-last, bf16 where the machine is fast at it, quicker ways for what is slow on a CPU."""

    priority = "HIGH"

    def __init__(self, bfloat16_modules: Sequence[str]) -> None:
        self.bfloat16_modules = bfloat16_modules
        self.done = False

    def before_train(self, runner: Runner) -> None:
        self._apply(runner)
        fuse_updates(runner.optim_wrapper.optimizer)

    def before_test(self, runner: Runner) -> None:
        self._apply(runner)

    def _apply(self, runner: Runner) -> None:
        if not self.done:
            model = bare_model(runner)
            model.to(memory_format=torch.channels_last)
            compute_in_bfloat16(model, self.bfloat16_modules)
            pool_whole_pyramids(model)
            lose_image_by_image(model)
            self.done = True


class SharedBuffersHook(Hook):
    """Before an evaluation, all processes take over BatchNorm's running statistics from the leading one.

    Each has estimated its own, on its share of the images; the leading one's are those that checkpoints hold.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def before_val(self, runner: Runner) -> None:
        self.world.share(runner.model.buffers())

    before_test = before_val


class ClockHook(Hook):
    """Seconds of training over all sittings, without evaluations in between.

    A sitting that was killed counts up to the checkpoint that it left.

    Args:
        started: Begin of this sitting, as ``time.perf_counter`` tells it.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self.earlier = 0.0

    @property
    def seconds(self) -> float:
        """So far."""
        return self.earlier + time.perf_counter() - self.started

    def before_val(self, runner: Runner) -> None:
        self.paused = time.perf_counter()

    def after_val(self, runner: Runner) -> None:
        self.started += time.perf_counter() - self.paused

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["meta"]["train_seconds"] = self.seconds

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self.earlier = checkpoint["meta"].get("train_seconds", 0.0)


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Keep checkpoints loadable with ``weights_only=True``.

    mmengine 0.10.7 stores its message hub with ``HistoryBuffer`` objects, which PyTorch refuses to unpickle since 2.6,
    with good reason. Smoothed log values are not worth a pickle: only plain scalars are kept, and the numbers of the
    checkpoints there are, so that the oldest go on making room.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        hub = checkpoint["message_hub"]
        # By exact type: NumPy's float64 is a float to isinstance, and a stranger to the unpickler.
        plain = {key: value for key, value in hub["runtime_info"].items() if _is_plain(value)}
        checkpoint["message_hub"] = {
            "log_scalars": {},
            "runtime_info": plain,
            "resumed_keys": {key: hub["resumed_keys"][key] for key in plain},
        }


class LossesHook(Hook):
    """Fetches a step's losses from the device, and stops the training when the loss is no number any more.

    They come all at once: each one that a hook asks for by itself has to wait until the device has finished.

    Attributes:
        means: Of the last step, each loss by name, over all processes.
    """

    priority = "HIGHEST"  # before mmengine's own, which ask one by one

    def __init__(self, world: World = ALONE) -> None:
        self.world = world
        self.means: dict[str, float] = {}

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        own = torch.stack([value.detach().float().mean() for value in outputs.values()])
        fetched, means = torch.stack([own, self.world.mean(own.clone())]).cpu()
        outputs.update(zip(list(outputs), fetched, strict=True))
        self.means = dict(zip(outputs, means.tolist(), strict=True))
        check_loss(self.means["loss"], runner)


class ProgressHook(Hook):
    """Progress with ETA, and records in ``metrics.jsonl``.

    Args:
        folder: The run's.
        losses: Has fetched those of the step.
        world: The processes that share the training.
    """

    log_every = 20

    def __init__(self, folder: RunFolder, losses: LossesHook, world: World = ALONE) -> None:
        self.folder = folder
        self.losses = losses
        self.world = world

    def before_train(self, runner: Runner) -> None:
        if self.world.leads:
            self.folder.forget_after(runner.iter, runner.iter)
        self.progress = Progress(runner.max_iters, runner.iter, quiet=not self.world.leads)
        self.effort = Effort()
        self.mark = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        waited = self._lap()
        self.effort = replace(self.effort, seconds=self.effort.seconds + waited, waiting=self.effort.waiting + waited)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        step = runner.iter + 1
        losses = self.losses.means
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        self.effort = replace(
            self.effort,
            images=self.effort.images + len(data_batch["inputs"]) * self.world.size,
            seconds=self.effort.seconds + self._lap(),
        )
        self.progress.update(step, losses["loss"], rate, self.effort)
        if self.world.leads and (step <= FIRST_STEPS or step % self.log_every == 0 or step == runner.max_iters):
            speed = {"images_per_second": self.effort.images_per_second, "data_wait": self.effort.data_wait}
            steps = {"kind": "step", "step": step, "total_steps": runner.max_iters}
            self.folder.log({**steps, "learning_rate": rate, **losses, **speed})

    def after_val(self, runner: Runner) -> None:
        self._lap()

    def after_train(self, runner: Runner) -> None:
        self.progress.close()

    def tell(self, text: str) -> None:
        """Print a line while it trains."""
        self.progress.line(text)

    def _lap(self) -> float:
        before, self.mark = self.mark, time.perf_counter()
        return self.mark - before


def _is_plain(value: Any) -> bool:
    if type(value) is list:
        return all(type(item) is int for item in value)
    return type(value) in (int, float, str)
