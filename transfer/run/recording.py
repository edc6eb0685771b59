"""What a test leaves in the run folder beside its numbers: per-image results and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from transfer.catalogue import MULTI_SCALE, SINGLE_SCALE
from transfer.evaluation.files import write_evaluation
from transfer.evaluation.per_image import seen_from
from transfer.evaluation.pictures.jobs import Job, draw_all
from transfer.openmmlab.modules.multi_scale import BothProtocolsLoop
from transfer.protocol.derive import data_root
from transfer.tasks.task import Task

PICTURES = "pictures"


def record_evaluation(task: Task, runner: Runner, folder: Path) -> dict[str, Any]:
    """Write the per-image results of a runner that has tested, then pictures of the single-scale ones.

    For the leading process, which alone has them.

    Returns:
        What was drawn, and what failed to be, with the reason (``draw_all``).

    Raises:
        UserError: A file cannot be written.
    """
    loop = runner.test_loop
    loops = {SINGLE_SCALE: loop, **({MULTI_SCALE: loop.second} if isinstance(loop, BothProtocolsLoop) else {})}
    for name, tested in loops.items():
        (metric,) = tested.evaluator.metrics
        write_evaluation(folder / name, seen_from(data_root(runner.cfg), metric.evaluated))
    return draw_all(folder / PICTURES, partial(_pictures, task, runner))


def _pictures(task: Task, runner: Runner) -> Iterable[tuple[str, Job]]:
    root = data_root(runner.cfg)
    (metric,) = runner.test_loop.evaluator.metrics
    return task.pictures(runner, seen_from(root, metric.evaluated), metric, root)
