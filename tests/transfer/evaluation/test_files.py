"""Per-image results: counted right, kept to the bit, and refused when a file is not whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, fixture, mark, raises

from backbones.errors import UserError
from transfer.evaluation.files import read_detections, read_segmentations, write_evaluation
from transfer.evaluation.per_image import (
    DetectionEvaluation,
    EvaluatedImage,
    SegmentationEvaluation,
    SegmentedImage,
    seen_from,
)
from transfer.evaluation.segmentation import (
    classes_without_labels,
    former_miou,
    measure_segmentation,
    weighted_measures,
)
from transfer.openmmlab import ops_bridge

NAMES = ("JPEGImages/a.jpg", "JPEGImages/b ö.jpg", "c.jpg")
CLASSES = ("cat", "$dog")


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


def detections(seed: int = 0, sizes: tuple[tuple[int, int], ...] = ((2, 3), (0, 0), (1, 0))) -> DetectionEvaluation:
    """Images with so many objects and detections, an empty one among them."""
    draw = np.random.default_rng(seed)

    def boxes(count: int) -> np.ndarray:
        corners = draw.uniform(0, 50, (count, 2))
        return np.hstack([corners, corners + draw.uniform(1, 50, (count, 2))]).astype(np.float32)

    images = [
        EvaluatedImage(
            boxes(objects),
            draw.integers(0, 2, objects),
            draw.random(objects) < 0.4,
            boxes(found),
            draw.integers(0, 2, found),
            draw.random(found).astype(np.float32),
        )
        for objects, found in sizes
    ]
    return DetectionEvaluation(CLASSES, NAMES[: len(sizes)], images)


def segmentations() -> SegmentationEvaluation:
    images = [
        SegmentedImage(np.array([0, 3]), np.array([7, 2**33])),
        SegmentedImage(np.array([], int), np.array([], int)),
        SegmentedImage(np.array([1]), np.array([5])),
    ]
    return SegmentationEvaluation(CLASSES, NAMES, images)


@mark.parametrize(
    ("evaluation", "read"), [(detections(), read_detections), (segmentations(), read_segmentations)], ids=["det", "seg"]
)
def test_what_is_written_is_read(evaluation: Any, read: Any, tmp_path: Path) -> None:
    write_evaluation(tmp_path / "evaluation.npz", evaluation)
    again = read(tmp_path / "evaluation.npz")
    assert type(again) is type(evaluation)
    assert (again.classes, again.names) == (evaluation.classes, evaluation.names)
    for mine, other in zip(again.images, evaluation.images, strict=True):
        assert type(mine) is type(other)
        for one, two in zip(mine, other, strict=True):
            np.testing.assert_array_equal(one, two)
            assert one.shape == two.shape
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.npz"]


def test_names_are_seen_from_the_data() -> None:
    evaluation = SegmentationEvaluation(CLASSES, ("/data/ade/images/a.jpg", "/data/b.jpg"), ())
    assert seen_from(Path("/data/ade"), evaluation).names == ("images/a.jpg", "../b.jpg")


def test_detections_are_measured_again_to_the_bit(tmp_path: Path) -> None:
    from transfer.evaluation.detection import measure_detection, voc_curves

    draw = np.random.default_rng(3)
    images = [
        image._replace(
            difficult=np.zeros(9, bool),
            found_boxes=(image.boxes + draw.normal(0, 2, (9, 4))).astype(np.float32),
            found_labels=np.where(draw.random(9) < 0.8, image.labels, 0),
        )
        for image in detections(seed=3, sizes=((9, 9),) * 3).images
    ]
    evaluation = DetectionEvaluation(CLASSES, NAMES, images)
    write_evaluation(tmp_path / "evaluation.npz", evaluation)
    again = read_detections(tmp_path / "evaluation.npz")
    measured = measure_detection(evaluation, voc_curves(evaluation))
    assert all(0 < measured[name] < 1 for name in ("voc07_map", "voc_map", "coco_ap"))
    assert measure_detection(again, voc_curves(again)) == measured
    part = DetectionEvaluation(CLASSES, NAMES[:2], again.images[:2])
    assert measure_detection(part, voc_curves(part)) != measured


def break_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def flip_bits(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(2 * len(data) // 5, 3 * len(data) // 5):
        data[place] ^= 1
    path.write_bytes(data)


def rewrite(path: Path, **changes: Any) -> None:
    with np.load(path) as archive:
        arrays = dict(archive.items())
    arrays.update(changes)
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


@mark.parametrize(
    ("breakage", "words"),
    [
        (break_off, "damaged"),
        (flip_bits, "damaged"),
        (lambda path: path.write_text("no archive"), "damaged"),
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: rewrite(path, scores=None), "damaged .*scores"),
        (lambda path: rewrite(path, scores=np.zeros(2)), "scores has 2 rows, not 3"),
        (lambda path: rewrite(path, ends=np.array([2, 1, 3])), "ends does not cut 3 images"),
        (lambda path: rewrite(path, ends=np.array([2, 3])), "ends does not cut 3 images"),
        (lambda path: rewrite(path, boxes=np.array([{}] * 3)), "damaged .*allow_pickle=False"),
        (lambda path: rewrite(path, format=np.array(2)), "detection in format 2, not detection in format 1"),
        (lambda path: write_evaluation(path, segmentations()), "holds segmentation"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(breakage: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.npz"
    write_evaluation(path, detections())
    read_detections(path)
    breakage(path)
    with raises(UserError, match=words) as caught:
        read_detections(path)
    assert str(path) in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 150), images=st.integers(1, 4))
def test_sparse_counts_give_what_mmsegmentation_counts(seed: int, classes: int, images: int) -> None:
    """``IoUMetric`` sums three histograms; where its float32 sums are exact, all numbers are the same.

    Its mean is over other classes: those that labels or predictions hold, and ours over those that labels hold.
    """
    from mmseg.evaluation import IoUMetric

    from transfer.segmentation_metric import SegmentationMetric

    draw = np.random.default_rng(seed)
    metric = SegmentationMetric()
    metric.dataset_meta = {"classes": tuple(map(str, range(classes)))}
    areas = []
    for number in range(images):
        label = torch.from_numpy(draw.choice([255, *draw.integers(0, classes, 9)], (1, 13, 17)).astype(np.uint8))
        prediction = torch.where(
            torch.rand(label.shape) < 0.5, torch.from_numpy(draw.integers(0, classes, label.shape)), 0
        )
        maps = {"gt_sem_seg": {"data": label}, "pred_sem_seg": {"data": prediction}}
        metric.process({}, [{"img_path": f"{number}.jpg", **maps}])
        areas.append(IoUMetric.intersect_and_union(prediction[0], label[0].long(), classes, ignore_index=255))
    measured = metric.evaluate(images)
    totals = [torch.stack(list(counts)).double().sum(0) for counts in zip(*areas, strict=True)]
    expected = IoUMetric.total_area_to_metrics(*totals, ["mIoU"])
    assert measured["segmentation/pixel_accuracy"] == float(expected["aAcc"])
    assert 100 * former_miou(metric.evaluated) == approx(100 * float(np.nanmean(expected["IoU"])), abs=0)
    labelled = totals[3].numpy() > 0
    assert measured["segmentation/miou"] == approx(float(np.mean(expected["IoU"][labelled])), abs=0)
    for kind, key in (("iou", "IoU"), ("accuracy", "Acc")):
        mine = [measured.get(f"segmentation/{kind}/{name}", np.nan) for name in range(classes)]
        np.testing.assert_array_equal(mine, expected[key])
    confusion = metric.evaluated.confusion()
    np.testing.assert_array_equal(np.diagonal(confusion), totals[0])
    np.testing.assert_array_equal(confusion.sum(0), totals[2])
    np.testing.assert_array_equal(confusion.sum(1), totals[3])
    assert sum(metric.evaluated.confusion(index) for index in range(images)).tolist() == confusion.tolist()
    assert metric.evaluated.names == tuple(f"{number}.jpg" for number in range(images))


def test_a_pixel_of_a_class_that_the_test_does_not_hold_does_not_halve_the_mean() -> None:
    """All rows average the classes of the labels; the wrong pixel counts against the class that it belongs to."""
    right = SegmentedImage(np.array([0, 4]), np.array([100, 100]))  # classes 0 and 1 of three, all right
    one_wrong = SegmentedImage(np.array([0, 2, 4]), np.array([99, 1, 100]))  # a pixel of class 0 called class 2
    means = []
    for image in (right, one_wrong):
        evaluation = SegmentationEvaluation(("sky", "sea", "land"), ("a.jpg",), [image])
        measured = measure_segmentation(evaluation)
        means.append(measured["miou"])
        assert classes_without_labels(evaluation) == ["land"]
        assert weighted_measures(evaluation, np.array([[1], [3]]))["miou"] == approx([measured["miou"]] * 2)
    assert means == approx([1, (0.99 + 1) / 2])
    assert former_miou(evaluation) == approx((0.99 + 1 + 0) / 3)  # what it was


def test_a_test_without_any_label_is_told_so() -> None:
    nothing = SegmentationEvaluation(("sky", "sea"), ("a.jpg",), [SegmentedImage(np.array([], int), np.array([], int))])
    with raises(UserError, match="no pixel of the test images has a label"):
        measure_segmentation(nothing)
