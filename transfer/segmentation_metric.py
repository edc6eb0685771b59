"""The one evaluation of every segmentor: pixel accuracy and intersection over union, of all classes and of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor

from transfer.evaluation.per_image import SegmentationEvaluation, SegmentedImage
from transfer.evaluation.segmentation import measure_segmentation


@METRICS.register_module()
class SegmentationMetric(BaseMetric):
    """Counts pixels exactly and neither rounds nor averages them away. All measures from 0 to 1.

    "pixel_accuracy" is the share of the labelled pixels that are right. Per class, "iou/CLASS" divides the pixels that
    are rightly called so by those that either the label map or the prediction calls so, and "accuracy/CLASS" by those
    that the label map does. Pixels without a label count nowhere. A class that appears neither in label maps nor in
    predictions has no "iou", one that no label map has no "accuracy". "miou" is the mean of the "iou" of those that
    label maps have (``transfer.evaluation.segmentation`` says why).

    Attributes:
        evaluated: All that was counted, on the process that computes, once it has.
    """

    default_prefix = "segmentation"
    evaluated: SegmentationEvaluation | None = None

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Count the pixels of a batch: per image its file, and what ``SegmentedImage`` holds."""
        classes = len(self.dataset_meta["classes"])
        for sample in data_samples:
            counted = count_pixels(sample["gt_sem_seg"]["data"], sample["pred_sem_seg"]["data"], classes)
            self.results.append((sample["img_path"], *counted))

    def compute_metrics(self, results: Sequence[tuple[Any, ...]]) -> dict[str, float]:
        """The numbers over all images."""
        names, pairs, pixels = zip(*results, strict=True)
        images = [SegmentedImage(*counts) for counts in zip(pairs, pixels, strict=True)]
        self.evaluated = SegmentationEvaluation(tuple(self.dataset_meta["classes"]), names, images)
        return measure_segmentation(self.evaluated)


def count_pixels(label: Tensor, prediction: Tensor, classes: int) -> SegmentedImage:
    """How often which label is given which class, from two maps of one size; labels beyond the classes mean none."""
    cells = label.to(prediction.device).long() * classes + prediction.long()
    counts = torch.bincount(cells.flatten(), minlength=classes**2)[: classes**2]
    pairs = counts.nonzero().flatten()
    return SegmentedImage(pairs.cpu().numpy(), counts[pairs].cpu().numpy())
