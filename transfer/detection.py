"""Faster R-CNN on data in Pascal VOC's layout, with mmdetection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from backbones.bundle import Bundle
from backbones.errors import UserError
from transfer.data.voc import VOC_CLASSES, check_voc
from transfer.task import Task, innermost_datasets


def set_classes(config: Config, classes: tuple[str, ...]) -> None:
    """Class names for the data sets, their number for the box head."""
    config.model.roi_head.bbox_head.num_classes = len(classes)
    for _, dataset in innermost_datasets(config):
        dataset.metainfo = dict(classes=classes)


def set_channels(config: Config, bundle: Bundle) -> None:
    """The feature pyramid takes the stages that the trunk gives it."""
    stages = config.model.backbone.get("out_indices", (0, 1, 2, 3))
    config.model.neck.in_channels = [bundle.feature_info[index].channels for index in stages]


def check_evaluator(config: Config) -> None:
    """Both ways to average precision over recall are measured.

    Raises:
        UserError: One of them is missing.
    """
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    missing = {"voc07", "voc"} - {evaluator.get("prefix") for evaluator in evaluators}
    if missing:
        raise UserError(f"test_evaluator: nothing has the prefix {' or '.join(sorted(missing))}; see det_configs/")


def check_data(config: Config, classes: tuple[str, ...]) -> dict[str, Any]:
    """Verify images and XML of the training and test splits.

    Raises:
        UserError: See ``transfer.data.voc.check_voc``.
    """
    splits: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    root = Path()
    for split, dataset in innermost_datasets(config):
        root = Path(dataset.data_root)
        part = (dataset.data_prefix.sub_data_root.rstrip("/"), Path(dataset.ann_file).stem)
        if split in splits:
            splits[split].append(part)
    train, test = (check_voc(root, parts, classes) for parts in splits.values())
    return {
        "root": str(root.resolve()),
        "train_images": train.images,
        "test_images": test.images,
        "fingerprint": f"{train.fingerprint[:16]}-{test.fingerprint[:16]}",
    }


def metrics(measured: Mapping[str, float]) -> dict[str, float]:
    """VOC mean average precision at IoU 0.5 in percent: VOC2007's 11 points, and the area under the curve."""
    return {"voc07_map": 100 * measured["voc07/mAP"], "voc_map": 100 * measured["voc/mAP"]}


DETECTION = Task(
    name="detection",
    framework="mmdet",
    default_classes=lambda: VOC_CLASSES,
    set_classes=set_classes,
    set_channels=set_channels,
    check_evaluator=check_evaluator,
    check_data=check_data,
    metrics=metrics,
    bfloat16_modules=(
        "backbone",
        "neck",
        "rpn_head.rpn_conv",
        "roi_head.bbox_head.shared_fcs.0",
        "roi_head.bbox_head.shared_fcs.1",
    ),
)
