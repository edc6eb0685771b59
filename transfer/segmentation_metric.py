"""The one evaluation of every segmentor: pixel accuracy and intersection over union, of all classes and of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from torch import Tensor


@METRICS.register_module()
class SegmentationMetric(IoUMetric):
    """mmsegmentation's counts of pixels, summed exactly, neither rounded nor averaged away. All from 0 to 1.

    "pixel_accuracy" is the share of the labelled pixels that are right. Per class, "iou/CLASS" divides the pixels that
    are rightly called so by those that either the label map or the prediction calls so, and "accuracy/CLASS" by those
    that the label map does. "miou" is the mean of the classes' "iou". Pixels without a label count nowhere. A
    class that appears neither in label maps nor in predictions has no "iou", one that no label map has no "accuracy".
    """

    default_prefix = "segmentation"

    def compute_metrics(self, results: Sequence[Sequence[Tensor]]) -> dict[str, float]:
        """The numbers over all images, from intersection, union, predicted and labelled area (classes,) of each."""
        # One image's counts are exact in float32; those of a data set are not.
        areas = [torch.stack(list(counts)).double().sum(0) for counts in zip(*results, strict=True)]
        shares = self.total_area_to_metrics(*areas, ["mIoU"])
        by_class = {
            f"{kind}/{name}": float(share)
            for kind, key in (("iou", "IoU"), ("accuracy", "Acc"))
            for name, share in zip(self.dataset_meta["classes"], shares[key], strict=True)
            if not np.isnan(share)
        }
        return {"pixel_accuracy": float(shares["aAcc"]), "miou": float(np.nanmean(shares["IoU"])), **by_class}
