"""mmengine's runner with everything built before the first step, so that no mistake waits for the end of a training."""

from __future__ import annotations

import importlib
import inspect
import io
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import master_only
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from backbones.data.loader_processes import WatchedLoader
from backbones.files import atomic_path
from backbones.models.sync_batch_norm import synchronise_batch_norm
from backbones.runs.checkpoint_file import remedied, unusable_on_error
from transfer.openmmlab.checkpoints import (
    NAME,
    OrderlyCheckpointHook,
    check_checkpoint,
    check_training_state,
    keep_best_inside,
    remedy,
)
from transfer.openmmlab.modules.multi_scale import BothProtocolsLoop
from transfer.openmmlab.reading import read_as_checked
from transfer.openmmlab.train_loop import ResumingTrainLoop
from transfer.openmmlab.unwrap import unwrap_model
from transfer.protocol.config_errors import named_as
from transfer.run.plan import TransferPlan
from transfer.run.validation import UnnoticedValLoop


class QuietRunner(Runner):
    """mmengine's runner, whose own log goes to its file and only errors to the terminal.

    With ``multi_scale`` in the configuration, its test gives both protocols. Validation takes no random number from the
    training, and a training by iterations resumes without loading again what it has seen.
    """

    def build_logger(self, *arguments: Any, **options: Any) -> Any:
        logger = super().build_logger(*arguments, **options)
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handleError = _raised  # type: ignore[method-assign]  # it would print a traceback
            else:
                handler.setLevel(logging.ERROR)
        return logger

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        with _programs_unheard():  # a shell is asked for the compiler that Python was built with, and may have none
            super()._log_env(env_cfg)

    def register_hook(self, hook: Hook | dict[str, Any], priority: Any = None) -> None:
        if isinstance(hook, dict) and hook.get("type") == "CheckpointHook":
            hook = {**hook, "type": OrderlyCheckpointHook}
        super().register_hook(hook, priority)

    @master_only
    def save_checkpoint(self, out_dir: str, filename: str, *more: Any, **named: Any) -> None:
        """Written whole or not at all, where mmengine would leave what fits on the disk under the final name.

        Raises:
            WriteError: The file cannot be written.
        """
        with atomic_path(Path(out_dir, filename)) as temporary:
            super().save_checkpoint(str(temporary.parent), temporary.name, *more, **named)

    def resume(self, filename: str, *more: Any, **named: Any) -> None:
        """Put model, optimizer, schedules and progress into the state of a checkpoint.

        Raises:
            UserError: As ``load_checkpoint``; or it does not fit the optimizer or the schedules.
        """
        path = Path(filename)
        with remedied(lambda: remedy(path)), unusable_on_error(f"{path}: not a checkpoint of this training"):
            super().resume(filename, *more, **named)  # mmengine looks at nothing before it takes it
        if self.rank == 0:
            print(f"continues at {path}", flush=True)

    def load_checkpoint(self, filename: str, map_location: Any = "cpu", *more: Any, **named: Any) -> dict[str, Any]:
        """The whole of it or nothing: mmengine would keep the model's own tensors where a checkpoint has none.

        Raises:
            UserError: The file is damaged, cannot be read, or its tensors are not the model's by name and shape.
        """
        check_checkpoint(Path(filename), unwrap_model(self), scheduled=self.param_schedulers is not None)
        with redirect_stdout(io.StringIO()):  # mmengine prints that it loads
            content: dict[str, Any] = super().load_checkpoint(filename, map_location, True)
        keep_best_inside(content, Path(filename).parent)
        if isinstance(self.optim_wrapper, OptimWrapper) and not isinstance(self.param_schedulers, dict):
            check_training_state(content, self.optim_wrapper, self.param_schedulers or ())
        return content

    @staticmethod
    def build_dataloader(*arguments: Any, **options: Any) -> DataLoader:
        """mmengine's, whose processes end in one line when the machine fails them."""
        loader = Runner.build_dataloader(*arguments, **options)
        if type(loader) is DataLoader:
            loader.__class__ = WatchedLoader
        return loader

    def build_train_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        if isinstance(loop, dict) and loop.get("type") == "IterBasedTrainLoop":
            loop = {**loop, "type": ResumingTrainLoop}
        return super().build_train_loop(loop)

    def build_val_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        return super().build_val_loop({**loop, "type": UnnoticedValLoop} if isinstance(loop, dict) else loop)

    def build_test_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        if self.cfg.get("multi_scale") and isinstance(loop, dict):
            if loop.get("type") != "TestLoop":
                raise ValueError(f"multi_scale=True extends a test_cfg of type TestLoop, and this is {loop}")
            loop = {**loop, "type": BothProtocolsLoop}
        return super().build_test_loop(loop)

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        """mmengine's replica of several names its GPU, which PyTorch refuses for a model on the CPU."""
        if self.distributed and self.cfg.get("sync_bn") == "torch":
            # mmengine's own conversion would drop the activations that are part of timm's layers.
            model = synchronise_batch_norm(model)
        if not self.distributed or get_device() != "cpu":
            return super().wrap_model(model_wrapper_cfg, model)
        return MMDistributedDataParallel(module=revert_sync_batchnorm(model), broadcast_buffers=False)


def _raised(record: logging.LogRecord) -> None:
    """Let an error pass that a handler has met as it wrote a record; it is being handled when this is called."""
    raise


@contextmanager
def _programs_unheard() -> Iterator[None]:
    """What programs that are started meanwhile write to standard error goes nowhere."""
    standard_error = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)


def set_run(plan: TransferPlan, work_dir: Path) -> None:
    """Write into the configuration where it runs, in how many processes, and register the task's framework.

    ``work_dir`` is mmengine's folder. Nothing is resumed.
    """
    config, world = plan.config, plan.world
    config.work_dir = str(work_dir)
    config.experiment_name = config.work_dir  # mmengine keeps loggers, counters and visualizers by this name
    config.resume, config.load_from = False, None
    # mmengine writes the configuration into six places, and each time has it laid out anew, which takes half a second.
    object.__setattr__(config, "_format_python_code", False)
    if config.get("visualizer"):
        config.visualizer.pop("name", None)
    if world.size > 1:
        config.launcher = "pytorch"
        # The model of the leading process goes to all; dropout and augmentation draw their own numbers in each.
        config.randomness.diff_rank_seed = True
        for split in ("val", "test"):
            _collect_in_memory(config.get(f"{split}_evaluator"))
    importlib.import_module(f"{plan.task.framework}.utils").register_all_modules()
    read_as_checked(plan.task.framework)


def _collect_in_memory(evaluator: Any) -> None:
    """mmengine would have processes exchange their detections through files in the current folder."""
    for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
        if metric:
            metric.collect_device = "gpu"  # its name for "by the process group", gloo's too


def build_runner(config: Config, path: str, options: Sequence[str], hooks: Sequence[Hook]) -> Runner:
    """Build model, loops, optimizer and schedules, which mmengine would do when it trains and when it tests.

    The order is mmengine's own, so that the same seed draws the same numbers.

    Args:
        config: The whole configuration.
        path: Its file, for messages.
        options: The ``--cfg-options`` it was changed with, for messages.
        hooks: Added to the configuration's.

    Raises:
        UserError: Something cannot be built as the configuration has it; the message names the section.
    """
    with named_as(["model", "default_hooks", "log_processor", "env_cfg"], path, options):
        runner = QuietRunner.from_cfg(config)
        for hook in hooks:
            runner.register_hook(hook)
        _check_checkpoint_options(runner)
    # mmengine leaves alone what it finds built.
    with named_as(["train_cfg", "train_dataloader"], path, options):
        _ = runner.train_loop
    with named_as(["optim_wrapper"], path, options):
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    if runner.param_schedulers is not None:
        with named_as(["param_scheduler"], path, options):
            runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    with named_as(["val_cfg", "val_dataloader", "val_evaluator"], path, options):
        _ = runner.val_loop
    multi_scale = ["multi_scale", "tta_model", "tta_pipeline"] if config.get("multi_scale") else []
    with named_as(["test_cfg", "test_dataloader", "test_evaluator", *multi_scale], path, options):
        _ = runner.test_loop
    return runner


@contextmanager
def blamed_on_settings(runner: Runner, path: str, options: Sequence[str]) -> Iterator[None]:
    """An error before the first training step is done becomes a ``UserError`` that names the settings changed.

    The protocols themselves are tested: an error without changed settings wants a traceback.
    """
    try:
        yield
    except Exception:
        if runner.iter > 0 or not options:
            raise
        with named_as(["model"], path, options):
            raise


def _check_checkpoint_options(runner: Runner) -> None:
    """``CheckpointHook`` keeps options that it does not know, and hands them on at the first checkpoint."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            inspect.signature(Runner.save_checkpoint).bind(runner, "out_dir", "filename", **hook.args)
            if hook.out_dir is not None or not NAME.fullmatch(hook.filename_tmpl.format(1)):
                raise ValueError(
                    "checkpoints stay in the run folder under mmengine's names, where --resume looks for them"
                )
