"""The scalars of training and evaluation in TensorBoard's files, by mmengine's own backend."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.runner import Runner

from backbones.errors import not_none
from backbones.machine.distributed import World
from transfer.openmmlab.modules.multi_scale import PREFIX

BACKEND = "TensorboardVisBackend"


def set_tensorboard(config: Config, folder: Path) -> None:
    """Have mmengine's logger write there too, everything at its iteration."""
    visualizer = {"type": "Visualizer", **(config.get("visualizer") or {})}
    visualizer["vis_backends"] = [dict(type="LocalVisBackend"), dict(type=BACKEND, save_dir=str(folder))]
    config.visualizer = visualizer
    logger = {"type": "LoggerHook", **(config.default_hooks.get("logger") or {})}
    config.default_hooks.logger = {**logger, "log_metric_by_epoch": False}


class TensorboardHook(Hook):
    """Adds the evaluation at the end, and takes back what a resumed run is about to do again."""

    def __init__(self, world: World) -> None:
        self.world = world

    def before_train(self, runner: Runner) -> None:
        if runner.iter and self.world.leads:
            writer = runner.visualizer.get_backend(BACKEND).experiment
            writer.purge_step = runner.iter + 1
            writer.close()  # the next scalar opens a file that begins with it

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        prefix = PREFIX if isinstance(runner.model, BaseTTAModel) else ""
        runner.visualizer.add_scalars(
            {f"test/{prefix}{name}": value for name, value in not_none(metrics).items()}, runner.iter
        )
