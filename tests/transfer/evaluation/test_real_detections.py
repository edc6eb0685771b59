"""The metrics of a run against averages written here from their definitions, on what a trained detector detected.

The objects come from the XML files and not from the pipeline, and images are resized on their way to the detector, so
loading, resizing back and collecting are checked with the averages.
"""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from backbones.data.shapes import make_shapes
from transfer.run.run import TransferOptions, run_transfer

pytestmark = pytest.mark.slow
PROTOCOL = Path(__file__).resolve().parents[3] / "det_configs/faster_rcnn_fpn_demo.py"
SMALL = (
    "train_cfg.max_epochs=40",
    "param_scheduler.0.end=5",  # for 8 images, as is the learning rate
    "optim_wrapper.optimizer.lr=0.04",
    "train_dataloader.dataset.pipeline.2.scale=(128,128)",
    "test_dataloader.dataset.pipeline.1.scale=(128,128)",
)


class Objects(NamedTuple):
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    difficult: NDArray[np.bool_]


class Detections(NamedTuple):
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]


class Evaluation(NamedTuple):
    """A run's result, and what it was made from: by image, in the order of the test set."""

    result: dict[str, Any]
    classes: list[str]
    objects: list[Objects]
    detections: list[Detections]


def read_objects(path: Path, classes: list[str]) -> Objects:
    """VOC counts pixels from 1, arrays from 0."""
    found = ElementTree.parse(path).getroot().findall("object")
    corners = ("xmin", "ymin", "xmax", "ymax")
    return Objects(
        np.array([[float(each.findtext(f"bndbox/{k}")) - 1 for k in corners] for each in found]).reshape(-1, 4),
        np.array([classes.index(str(each.findtext("name"))) for each in found], int),
        np.array([each.findtext("difficult") == "1" for each in found], bool),
    )


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """A detector that has learnt a few images by heart, asked for the same images."""
    from transfer.openmmlab import ops_bridge

    ops_bridge.install()
    from transfer.detection_metric import DetectionMetric
    from transfer.tasks.detection import DETECTION

    out = tmp_path_factory.mktemp("real")
    devkit = make_shapes(out / "data", images=8, size=96, layouts=("detection",)) / "VOCdevkit"
    splits = devkit / "VOC2007/ImageSets/Main"
    shutil.copy(splits / "trainval.txt", splits / "test.txt")
    seen: dict[str, Detections] = {}
    process = DetectionMetric.process

    def look(self: DetectionMetric, batch: Any, samples: Any) -> None:
        for sample in samples:
            found = {key: sample["pred_instances"][key].double().numpy() for key in ("bboxes", "labels", "scores")}
            seen[sample["img_id"]] = Detections(found["bboxes"], found["labels"].astype(int), found["scores"])
        process(self, batch, samples)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DetectionMetric, "process", look)
        fixed = {"config": str(PROTOCOL), "backbone": "random:mobilenet_v1_025", "workers": 0, "precision": "fp32"}
        result = run_transfer(
            DETECTION,
            TransferOptions(
                **fixed,
                out=str(out / "run"),
                data=str(devkit),
                total_batch=2,
                cfg_options=SMALL,
                allow_shared_images=True,  # tested on what it has learnt by heart
            ),
        )
    classes = (devkit / "classes.txt").read_text().split()
    names = (splits / "test.txt").read_text().split()
    assert sorted(seen) == sorted(names)
    objects = [read_objects(devkit / f"VOC2007/Annotations/{name}.xml", classes) for name in names]
    return Evaluation(result, classes, objects, [seen[name] for name in names])


def areas(boxes: NDArray, extra: int) -> NDArray:
    return (boxes[:, 2] - boxes[:, 0] + extra) * (boxes[:, 3] - boxes[:, 1] + extra)


def shared_areas(box: NDArray, boxes: NDArray, extra: int) -> NDArray:
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    return (high - low + extra).clip(0).prod(axis=1)


def best_first(detections: list[Detections], label: int, most: int | None = None) -> list[tuple[float, int, NDArray]]:
    """(score, image, box) of a class; of each image the ``most`` best."""
    found = []
    for image, each in enumerate(detections):
        mine = each.labels == label
        order = np.argsort(-each.scores[mine], kind="stable")[:most]
        found += [(each.scores[mine][k], image, each.boxes[mine][k]) for k in order]
    return sorted(found, key=lambda entry: -entry[0])


def count(objects: list[Objects], label: int) -> int:
    """Objects of a class that are to be found."""
    return sum(int(((each.labels == label) & ~each.difficult).sum()) for each in objects)


def voc(measured: Evaluation, label: int) -> tuple[float, float] | None:
    """11 points and area: a detection is right if the object that it overlaps most, by half or more, is not taken."""
    total = count(measured.objects, label)
    if not total:
        return None
    taken: set[tuple[int, int]] = set()
    hits = []
    for _, image, box in best_first(measured.detections, label):
        there = measured.objects[image]
        places = np.flatnonzero(there.labels == label)
        shared = shared_areas(box, there.boxes[places], 1)
        overlaps = shared / (areas(box[None], 1) + areas(there.boxes[places], 1) - shared)
        if len(places) and overlaps.max() >= 0.5:
            place = int(places[overlaps.argmax()])
            if there.difficult[place]:
                continue
            hits.append((image, place) not in taken)
            taken.add((image, place))
        else:
            hits.append(False)
    recall, precision = curve(hits, total)
    eleven = fmean(max(precision[recall >= level], default=0.0) for level in np.arange(0.0, 1.1, 0.1))
    # Each right detection moves recall on by 1 / total, and counts with the best precision from there on.
    area = sum(precision[k:].max() for k, hit in enumerate(hits) if hit) / total
    return eleven, float(area)


def coco(measured: Evaluation, label: int) -> tuple[float, float, float] | None:
    """101 points at ten thresholds: a detection takes the best object that is left; difficult ones are crowds."""
    total = count(measured.objects, label)
    if not total:
        return None
    precisions = []
    for threshold in np.arange(50, 100, 5) / 100:
        taken: set[tuple[int, int]] = set()
        hits = []
        for _, image, box in best_first(measured.detections, label, most=100):
            there = measured.objects[image]
            shared = shared_areas(box, there.boxes, 0)
            union = areas(box[None], 0) + areas(there.boxes, 0) - shared
            plain = [
                (shared[k] / union[k], k)
                for k in np.flatnonzero((there.labels == label) & ~there.difficult)
                if (image, k) not in taken and shared[k] / union[k] >= threshold
            ]
            crowds = np.flatnonzero((there.labels == label) & there.difficult)
            if plain:
                taken.add((image, max(plain)[1]))
                hits.append(True)
            elif not any(shared[k] / areas(box[None], 0)[0] >= threshold for k in crowds):
                hits.append(False)
        recall, precision = curve(hits, total)
        points = [max(precision[recall >= step], default=0.0) for step in np.linspace(0, 1, 101)]
        precisions.append(fmean(points))
    return fmean(precisions), precisions[0], precisions[5]


def curve(hits: list[bool], total: int) -> tuple[NDArray, NDArray]:
    """Recall and precision after the first 1, 2, … detections."""
    found = np.cumsum(np.array(hits, float))
    return found / total, found / np.arange(1, len(hits) + 1)


def expected(measured: Evaluation) -> dict[str, tuple[float, ...]]:
    """Five averages by class, of those that have something to find."""
    values = {}
    for label, name in enumerate(measured.classes):
        pascal, common = voc(measured, label), coco(measured, label)
        assert (pascal is None) == (common is None)
        if pascal and common:
            values[name] = (*pascal, *common)
    return values


def test_the_detections_are_worth_measuring(evaluation: Evaluation) -> None:
    """Otherwise the comparison below could not fail."""
    means = [fmean(column) for column in zip(*expected(evaluation).values(), strict=True)]
    assert all(0.01 < mean < 0.97 for mean in means), means
    assert len({round(mean, 3) for mean in means}) >= 4
    assert sum(each.difficult.sum() for each in evaluation.objects) > 0
    assert sum(len(each.scores) for each in evaluation.detections) > 3 * sum(
        len(each.labels) for each in evaluation.objects
    )


def test_all_five_averages_of_a_real_detector(evaluation: Evaluation) -> None:
    values = expected(evaluation)
    means = [100 * fmean(column) for column in zip(*values.values(), strict=True)]
    names = ["voc07_map", "voc_map", "coco_ap", "coco_ap50", "coco_ap75"]
    assert evaluation.result["metrics"] == pytest.approx(dict(zip(names, means, strict=True)), abs=1e-9)


def test_the_averages_of_each_class(evaluation: Evaluation) -> None:
    values = expected(evaluation)
    assert evaluation.result["per_class"].keys() == values.keys()
    for name, five in values.items():
        seen = list(evaluation.result["per_class"][name].values())
        assert seen == pytest.approx([100 * value for value in five], abs=1e-9)
