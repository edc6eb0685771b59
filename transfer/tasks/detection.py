"""Faster R-CNN on boxes, in Pascal VOC's layout or another, with mmdetection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from backbones.bundles.bundle import Bundle
from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.shared_images import SplitImages, count_shared
from backbones.errors import UserError
from transfer.data.absent_classes import absent_classes, tell
from transfer.data.voc import VOC_CLASSES, check_voc, voc_images
from transfer.evaluation.per_image import DetectionEvaluation
from transfer.evaluation.pictures.jobs import Job
from transfer.protocol.levels import LEVELS, Levels
from transfer.tasks.neck import set_neck
from transfer.tasks.scenes import adopt_scenes, check_scene_data, is_scenes
from transfer.tasks.task import SPLIT_NAMES, Task, innermost_datasets

EVALUATOR = "DetectionMetric"
PREFIX = "detection/"  # of all that DetectionMetric measures


def set_classes(config: Config, classes: tuple[str, ...]) -> None:
    """Class names for the data sets, their number for the box head."""
    config.model.roi_head.bbox_head.num_classes = len(classes)
    for _, dataset in innermost_datasets(config):
        dataset.metainfo = dict(classes=classes)


def set_channels(config: Config, bundle: Bundle) -> None:
    """Whatever reads the trunk takes the stages that it gives: a feature pyramid, or RPN and the head of regions."""
    stages = config.model.backbone.get("out_indices", range(LEVELS))
    if "shared_head" in config.model.roi_head:
        _set_shared_stage(config.model, bundle, stages[-1])
    else:
        set_neck(config.model.neck, Levels.of(bundle).infos(stages))


def _set_shared_stage(model: ConfigDict, bundle: Bundle, last: int) -> None:
    """The stage after the trunk's last one becomes the regions' head, from the same bundle and held alike."""
    channels = bundle.feature_info[last].channels
    model.rpn_head.in_channels = channels
    model.roi_head.bbox_roi_extractor.out_channels = channels
    model.roi_head.bbox_head.in_channels = bundle.feature_info[last + 1].channels
    held = {key: model.backbone.get(key, False) for key in ("norm_eval", "norm_frozen")}
    model.roi_head.shared_head.update(
        bundle=bundle.source, seed=bundle.training.get("seed") or 0, stage=last + 1, **held
    )


def check_evaluator(config: Config) -> None:
    """All averages are measured, under the names that ``metrics`` knows.

    Raises:
        UserError: The evaluation is another one.
    """
    asked = config.test_evaluator
    if not isinstance(asked, dict) or set(asked) != {"type"} or asked["type"] != EVALUATOR:
        raise UserError(f"test_evaluator is {asked}; transfers are measured with dict(type={EVALUATOR!r}) alone")


def check_data(config: Config, classes: tuple[str, ...], allow_shared_images: bool) -> dict[str, Any]:
    """Verify images and XML of the training and test splits, and name the classes that one of them has no object of.

    Raises:
        UserError: See ``transfer.data.voc.check_voc`` and ``transfer.data.scenes.check``; or the splits share images,
            and that is not allowed.
    """
    if is_scenes(config):
        return check_scene_data(config, classes, allow_shared_images)
    splits: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    root = Path()
    for split, dataset in innermost_datasets(config):
        root = Path(dataset.data_root)
        part = (dataset.data_prefix.sub_data_root.rstrip("/"), Path(dataset.ann_file).stem)
        if split in splits:
            splits[split].append(part)
    train, test = (check_voc(root, parts, classes) for parts in splits.values())
    for split, found in zip(SPLIT_NAMES, (train, test), strict=True):
        tell(absent_classes(split, "objects", found.objects))
    trained_on, tested_on = (
        SplitImages.of_stamps(name, root, voc_images(root, parts))
        for name, parts in zip(SPLIT_NAMES, splits.values(), strict=True)
    )
    shared = count_shared(trained_on, tested_on, allow_shared_images)
    return {
        "root": str(root.resolve()),
        "train_images": train.images,
        "test_images": test.images,
        "fingerprint": f"{train.fingerprint[:16]}-{test.fingerprint[:16]}",
        **({"shared_images": shared} if allow_shared_images else {}),
    }


def adopt(config: Config, held_out: HeldOut | None = None) -> Callable[[], tuple[str, ...]] | None:
    """Have the data sets read another format than VOC's where that is what their folder holds (``adopt_scenes``).

    Raises:
        UserError: The folder cannot be read as what it seems to be, or has nothing that could be held out.
    """
    folder = adopt_scenes(config, held_out)
    if folder is None and held_out is not None:
        raise UserError("--split is for data without a part to measure on, and these have lists; leave it out")
    return None if folder is None else lambda: folder.classes


def metrics(measured: Mapping[str, float]) -> dict[str, float]:
    """Mean average precision over the classes in percent: VOC's two and COCO's three (``DetectionMetric``)."""
    return {
        key.removeprefix(PREFIX): 100 * value
        for key, value in measured.items()
        if key.startswith(PREFIX) and "/" not in key.removeprefix(PREFIX)
    }


def per_class(measured: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The same averages of each class in percent; a class without objects to find is left out."""
    found: dict[str, dict[str, float]] = {}
    for key, value in measured.items():
        average, separator, name = key.removeprefix(PREFIX).partition("/")
        if key.startswith(PREFIX) and separator:
            found.setdefault(name, {})[average] = 100 * value
    return found


def pictures(runner: Runner, evaluation: DetectionEvaluation, metric: Any, root: Path) -> Iterable[tuple[str, Job]]:
    """What is drawn of a test: curves, and images with what was found in them."""
    # Not at the top: OpenMMLab can only be imported once its compiled ops are answered for.
    from transfer.evaluation.pictures.detection import detection_pictures

    return detection_pictures(evaluation, metric.curves, root)


DETECTION = Task(
    name="detection",
    framework="mmdet",
    default_classes=lambda: VOC_CLASSES,
    set_classes=set_classes,
    set_channels=set_channels,
    check_evaluator=check_evaluator,
    check_data=check_data,
    metrics=metrics,
    pictures=pictures,
    per_class=per_class,
    adopt=adopt,
    bfloat16_modules=(
        "backbone",
        "neck",
        "rpn_head.rpn_conv",
        "roi_head.shared_head",
        "roi_head.bbox_head.shared_fcs.0",
        "roi_head.bbox_head.shared_fcs.1",
    ),
)
