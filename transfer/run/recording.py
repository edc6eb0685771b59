"""What a test leaves in the run folder beside its numbers: per-image results and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

from transfer.catalogue import MULTI_SCALE, SINGLE_SCALE
from transfer.evaluation.files import write_evaluation
from transfer.evaluation.per_image import DetectionEvaluation, relative_name, seen_from
from transfer.evaluation.pictures.jobs import Job, Maps, draw_all
from transfer.openmmlab.modules.multi_scale import BothProtocolsLoop
from transfer.openmmlab.unwrap import unwrap_model
from transfer.protocol.derive import data_root

PICTURES = "pictures"


def record_evaluation(runner: Runner, folder: Path) -> dict[str, Any]:
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
    return draw_all(folder / PICTURES, partial(_pictures, runner))


def _pictures(runner: Runner) -> Iterable[tuple[str, Job]]:
    # Not at the top: OpenMMLab can only be imported once its compiled ops are answered for.
    from transfer.evaluation.pictures.detection import detection_pictures
    from transfer.evaluation.pictures.segmentation import segmentation_pictures

    root = data_root(runner.cfg)
    (metric,) = runner.test_loop.evaluator.metrics
    evaluation = seen_from(root, metric.evaluated)
    if isinstance(evaluation, DetectionEvaluation):
        return detection_pictures(evaluation, metric.curves, root)
    return segmentation_pictures(evaluation, segmentor(runner, root), root)


def segmentor(runner: Runner, root: Path) -> Callable[[str], Maps]:
    """What gives the maps of a test image by its name relative to ``root``: the model on that image alone."""
    dataset = runner.test_dataloader.dataset
    places = {relative_name(dataset.get_data_info(index)["img_path"], root): index for index in range(len(dataset))}
    model: Any = unwrap_model(runner)

    def predict(name: str) -> Maps:
        (sample,) = model.test_step(pseudo_collate([dataset[places[name]]]))
        label, prediction = (getattr(sample, key).data[0].cpu().numpy() for key in ("gt_sem_seg", "pred_sem_seg"))
        return Maps(label, prediction)

    return predict
