"""The VOC metric for lists of classes that are not VOC's."""

from __future__ import annotations

import numpy as np
import torch
from pytest import approx, mark

from transfer import ops_bridge


@mark.parametrize("count", [3, 21])
@mark.parametrize(("mode", "expected"), [("11points", 6 / 11), ("area", 0.5)])
def test_one_of_two_objects_found_in_a_folder_called_voc2007(count: int, mode: str, expected: float) -> None:
    """One right detection and one miss: precision 1 up to recall 0.5, in every class that has objects."""
    ops_bridge.install()
    from transfer.voc_metric import AnyClassVOCMetric

    metric = AnyClassVOCMetric(eval_mode=mode)
    metric.dataset_meta = {"classes": tuple(f"class{k}" for k in range(count)), "dataset_type": "VOC2007"}
    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [20.0, 20.0, 29.0, 29.0]])
    label = torch.tensor([count - 1, count - 1])
    truth = {"bboxes": boxes, "labels": label}
    none = {"bboxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}
    found = {"bboxes": boxes[:1], "scores": torch.tensor([0.9]), "labels": label[:1]}
    metric.process({}, [{"gt_instances": truth, "ignored_instances": none, "pred_instances": found}])
    measured = metric.compute_metrics(metric.results)["mAP"]
    assert np.isfinite(measured)
    assert measured == approx(expected)
