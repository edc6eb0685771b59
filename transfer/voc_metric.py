"""mmdetection's VOC metric for any list of classes."""

from __future__ import annotations

from typing import Any

from mmdet.evaluation import VOCMetric
from mmdet.registry import METRICS


@METRICS.register_module()
class AnyClassVOCMetric(VOCMetric):
    """``VOCMetric`` that takes the class names from the data.

    mmdetection's own looks at the folder's name: for data in a folder VOC2007 its table prints the 20 names of VOC, and
    fails where there are more classes. The numbers are the same.
    """

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Average precision of the collected results, both as a share from 0 to 1."""
        self.dataset_meta = {**self.dataset_meta, "dataset_type": None}
        return super().compute_metrics(results)
