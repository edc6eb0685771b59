"""VOC's and COCO's average precision against slow ones written from their definitions."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytest import approx, fixture, mark

from transfer.evaluation.per_image import EvaluatedImage
from transfer.openmmlab import ops_bridge

Box = tuple[int, int, int, int]
CLASSES = 3


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


def image(objects: list[tuple[Box, int, bool]], found: list[tuple[Box, int, float]]) -> EvaluatedImage:
    """From (box, label, difficult) and (box, label, score)."""
    return EvaluatedImage(
        boxes=np.array([box for box, *_ in objects], np.float32).reshape(-1, 4),
        labels=np.array([label for _, label, _ in objects], int),
        difficult=np.array([difficult for *_, difficult in objects], bool),
        found_boxes=np.array([box for box, *_ in found], np.float32).reshape(-1, 4),
        found_labels=np.array([label for _, label, _ in found], int),
        scores=np.array([score for *_, score in found], np.float32),
    )


def random_images(seed: int, count: int, most_objects: int = 6) -> list[EvaluatedImage]:
    """Whole-numbered boxes; most detections are objects pushed about, and their scores are all different."""
    draw = np.random.default_rng(seed)
    scores = iter(draw.permutation(1000) / 1000)

    def box() -> Box:
        x, y, width, height = draw.integers([0, 0, 1, 1], [20, 20, 16, 16])
        return int(x), int(y), int(x + width), int(y + height)

    images = []
    for _ in range(count):
        objects = [
            (box(), int(draw.integers(CLASSES)), bool(draw.random() < 0.3)) for _ in range(draw.integers(most_objects))
        ]
        found = []
        for there, label, _ in objects * 2:
            x1, y1, x2, y2 = there + draw.integers(-1, 2, 4)
            if draw.random() < 0.7 and x1 < x2 and y1 < y2:
                found.append(((x1, y1, x2, y2), label if draw.random() < 0.8 else 0, next(scores)))
        found += [(box(), int(draw.integers(CLASSES)), next(scores)) for _ in range(draw.integers(3))]
        images.append(image(objects, found))
    return images


def overlap(one: Any, other: Any, extra: int) -> tuple[int, int, int]:
    """Areas of the intersection and of both boxes; widths are x2 - x1 + extra."""
    area_one, area_other = ((int(b[2] - b[0]) + extra) * (int(b[3] - b[1]) + extra) for b in (one, other))
    width, height = (int(min(one[k + 2], other[k + 2]) - max(one[k], other[k])) + extra for k in (0, 1))
    return (width * height if width > 0 and height > 0 else 0), area_one, area_other


def by_score(images: list[EvaluatedImage], label: int) -> list[tuple[float, int, Any]]:
    """(score, image, box) of a class, the best first."""
    found = [
        (float(score), number, box)
        for number, one in enumerate(images)
        for box, its, score in zip(one.found_boxes, one.found_labels, one.scores, strict=True)
        if its == label
    ]
    return sorted(found, key=lambda entry: -entry[0])


def objects_of(one: EvaluatedImage, label: int) -> list[tuple[Any, bool]]:
    """(box, difficult) of a class, difficult ones last: of two that overlap equally, the other is meant."""
    mine = [(box, bool(d)) for box, its, d in zip(one.boxes, one.labels, one.difficult, strict=True) if its == label]
    return sorted(mine, key=lambda entry: entry[1])


def slow_voc(images: list[EvaluatedImage], label: int) -> tuple[float, float] | None:
    """In whole numbers and fractions, detection by detection."""
    total = sum(not difficult for one in images for _, difficult in objects_of(one, label))
    if not total:
        return None
    claimed: set[tuple[int, int]] = set()
    right = seen = 0
    curve = []  # (recall, precision)
    for _, number, box in by_score(images, label):
        best, which, ignored = Fraction(0), None, False
        for index, (there, difficult) in enumerate(objects_of(images[number], label)):
            shared, one, other = overlap(box, there, 1)
            if Fraction(shared, one + other - shared) > best:
                best, which, ignored = Fraction(shared, one + other - shared), (number, index), difficult
        if best >= Fraction(1, 2) and ignored:
            continue
        seen += 1
        if best >= Fraction(1, 2) and which not in claimed:
            claimed.add(which)
            right += 1
        curve.append((Fraction(right, total), Fraction(right, seen)))
    # 0.3, 0.6 and 0.7 of this list are a little more than that, as in the code that published numbers are from.
    highest = [max((p for r, p in curve if float(r) >= recall), default=0) for recall in np.arange(0.0, 1.1, 0.1)]
    levels = sorted({Fraction(0), *(r for r, _ in curve)})
    steps = itertools.pairwise(levels)
    area = sum((high - low) * max(p for r, p in curve if r >= high) for low, high in steps)
    return float(sum(highest) / Fraction(11)), float(area)


def slow_coco(images: list[EvaluatedImage], label: int) -> tuple[float, float, float] | None:
    """COCO's matching and 101-point interpolation for every IoU threshold; difficult objects are crowds."""
    total = sum(not difficult for one in images for _, difficult in objects_of(one, label))
    if not total:
        return None
    by_threshold = {}
    for threshold in np.linspace(0.5, 0.95, 10):
        matched: set[tuple[int, int]] = set()
        hits = []
        for _, number, box in by_score(images, label):
            best, which, ignored = threshold, None, False
            for index, (there, difficult) in enumerate(objects_of(images[number], label)):
                if ((number, index) in matched and not difficult) or (difficult and which and not ignored):
                    continue
                shared, mine, other = overlap(box, there, 0)
                share = shared / (mine if difficult else mine + other - shared)
                if share >= best:
                    best, which, ignored = share, (number, index), difficult
            if which:
                matched.add(which)
            if not ignored:
                hits.append(which is not None)
        found = np.cumsum(hits, dtype=float)
        precision = found / np.arange(1, len(hits) + 1)
        points = [max(precision[found / total >= recall], default=0.0) for recall in np.linspace(0, 1, 101)]
        by_threshold[round(float(threshold), 2)] = fmean(points)
    return fmean(by_threshold.values()), by_threshold[0.5], by_threshold[0.75]


def voc_precision(images: list[Any], label: int) -> Any:
    from transfer.evaluation.voc_ap import voc_curve

    curve = voc_curve(images, label)
    return None if curve is None else curve.average_precision()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 5))
@example(seed=0, count=40)
def test_both_equal_their_definitions(seed: int, count: int) -> None:
    from transfer.evaluation.coco_ap import coco_precision

    images = random_images(seed, count)
    coco = coco_precision(images, CLASSES)
    for label in range(CLASSES):
        assert voc_precision(images, label) == approx(slow_voc(images, label), abs=1e-12)
        assert coco[label] == approx(slow_coco(images, label), abs=1e-12)


def test_the_made_up_detections_tell_the_averages_apart() -> None:
    """Otherwise the comparison above could not fail."""
    images = random_images(0, 40)
    values = [(*slow_voc(images, label), *slow_coco(images, label)) for label in range(CLASSES)]
    assert all(len({round(value, 3) for value in row}) >= 4 for row in values)
    assert all(0.02 < value < 0.95 for row in values for value in row)
    easy = [one._replace(difficult=np.zeros_like(one.difficult)) for one in images]
    assert all(slow_voc(easy, label) != slow_voc(images, label) for label in range(CLASSES))


def measure(images: list[EvaluatedImage], names: tuple[str, ...]) -> dict[str, float]:
    """Through the metric, as mmengine feeds it."""
    from transfer.detection_metric import DetectionMetric

    metric = DetectionMetric()
    metric.dataset_meta = {"classes": names, "dataset_type": "VOC2007"}
    for one in images:
        tensors = {key: torch.from_numpy(value) for key, value in one._asdict().items()}
        hard = tensors["difficult"]
        sample = {
            "img_path": "some.jpg",
            "gt_instances": {"bboxes": tensors["boxes"][~hard], "labels": tensors["labels"][~hard], "masks": None},
            "ignored_instances": {"bboxes": tensors["boxes"][hard], "labels": tensors["labels"][hard]},
            "pred_instances": {
                "bboxes": tensors["found_boxes"],
                "labels": tensors["found_labels"],
                "scores": tensors["scores"],
            },
        }
        metric.process({}, [sample])
    return metric.evaluate(len(images))


def test_the_metric_reports_means_and_classes() -> None:
    from transfer.tasks.detection import metrics, per_class

    images = random_images(3, 20)
    names = ("a", "b/with a slash", "c", *(f"absent{k}" for k in range(18)))  # more than VOC has
    measured = measure(images, names)
    expected = [(*slow_voc(images, label), *slow_coco(images, label)) for label in range(CLASSES)]
    columns = [100 * fmean(column) for column in zip(*expected, strict=True)]
    assert list(metrics(measured)) == ["voc07_map", "voc_map", "coco_ap", "coco_ap50", "coco_ap75"]
    assert list(metrics(measured).values()) == approx(columns)
    assert list(per_class(measured)) == list(names[:3])  # classes without objects are left out
    for name, values in zip(names[:CLASSES], expected, strict=True):
        assert list(per_class(measured)[name]) == ["voc07_ap", "voc_ap", "coco_ap", "coco_ap50", "coco_ap75"]
        assert list(per_class(measured)[name].values()) == approx([100 * value for value in values])


OBJECT, OTHER, HARD = (0, 0, 20, 20), (40, 40, 60, 60), (80, 80, 100, 100)


@mark.parametrize(
    ("found", "voc07", "area", "coco50"),
    [
        ([], 0, 0, 0),
        ([(OBJECT, 0.9)], 6 / 11, 1 / 2, 51 / 101),
        ([(OBJECT, 0.9), (OTHER, 0.8)], 1, 1, 1),
        ([(HARD, 0.99), (OBJECT, 0.9), (OTHER, 0.8)], 1, 1, 1),  # no penalty
        ([(HARD, 0.99), (OBJECT, 0.9)], 6 / 11, 1 / 2, 51 / 101),  # no reward
        ([(HARD, 0.99), (HARD, 0.98), (OBJECT, 0.9), (OTHER, 0.8)], 1, 1, 1),  # nor for finding it twice
        ([(OBJECT, 0.99), (OBJECT, 0.9), (OTHER, 0.8)], (6 + 5 * 2 / 3) / 11, (1 + 2 / 3) / 2, (51 + 50 * 2 / 3) / 101),
        ([((60, 0, 80, 20), 0.99), (OBJECT, 0.9), (OTHER, 0.8)], 2 / 3, 2 / 3, 2 / 3),
    ],
)
def test_by_hand(found: list[tuple[Box, float]], voc07: float, area: float, coco50: float) -> None:
    one = image([(OBJECT, 0, False), (OTHER, 0, False), (HARD, 0, True)], [(box, 0, score) for box, score in found])
    measured = measure([one], ("thing",))
    assert measured["detection/voc07_map"] == approx(voc07)
    assert measured["detection/voc_map"] == approx(area)
    assert measured["detection/coco_ap50"] == approx(coco50)


def mmdetections_voc07(images: list[EvaluatedImage], classes: int) -> list[float]:
    """Average precision of each class by mmdetection's own code."""
    from mmdet.evaluation.functional import eval_map

    results = [
        [np.hstack([one.found_boxes, one.scores[:, None]])[one.found_labels == label] for label in range(classes)]
        for one in images
    ]
    annotations = [
        {
            "bboxes": one.boxes[~one.difficult],
            "labels": one.labels[~one.difficult],
            "bboxes_ignore": one.boxes[one.difficult],
            "labels_ignore": one.labels[one.difficult],
        }
        for one in images
    ]
    names = ("VOC2007", *(f"x{k}" for k in range(classes)))[1:]
    found = eval_map(
        results, annotations, dataset=list(names), logger="silent", eval_mode="11points", use_legacy_coordinate=True
    )
    return [float(np.ravel(each["ap"])[0]) for each in found[1]]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_matching_is_mmdetections(seed: int) -> None:
    """Their code as the oracle of ours, on scores that are all different."""

    images = random_images(seed, 12)
    theirs = mmdetections_voc07(images, CLASSES)
    for label in range(CLASSES):
        ours = voc_precision(images, label)
        if ours is not None:
            assert ours.eleven_points == approx(theirs[label], abs=1e-6)


def test_overlaps_are_mmdetections() -> None:
    from mmdet.evaluation.functional import bbox_overlaps

    from transfer.evaluation.voc_overlap import overlaps

    draw = np.random.default_rng(0)
    one, other = (np.sort(draw.uniform(0, 300, (40, 2, 2)), axis=1).reshape(-1, 4).astype(np.float32) for _ in range(2))
    theirs = bbox_overlaps(one, other, use_legacy_coordinate=True)
    assert (theirs > 0).mean() > 0.1
    np.testing.assert_array_equal(overlaps(one, other), theirs)
    assert overlaps(one[:0], other).shape == (0, 40)


def test_recalls_are_those_of_published_evaluations() -> None:
    """A sum of tenths in floating point is a little more than 0.3, 0.6 and 0.7, which published numbers share."""
    corners = [(30 * k, 0, 30 * k + 20, 20) for k in range(10)]
    for count in (3, 6, 7):
        found = [(box, 0, 1 - k / 20) for k, box in enumerate(corners[:count])]
        one = image([(box, 0, False) for box in corners], found)
        assert measure([one], ("thing",))["detection/voc07_map"] == approx(count / 11)
    # 10 objects: 3 right, 3 wrong, 4 right. With exact tenths it would be 61.8.
    nowhere = [((30 * k, 100, 30 * k + 20, 120), 0, 0.9 - k / 100) for k in range(3)]
    found = [(box, 0, (0.99 if k < 3 else 0.5) - k / 100) for k, box in enumerate(corners[:7])] + nowhere
    one = image([(box, 0, False) for box in corners], found)
    assert measure([one], ("thing",))["detection/voc07_map"] == approx(0.527, abs=5e-4)
    assert mmdetections_voc07([one], 1) == [approx(0.527, abs=5e-4)]


def test_of_equal_scores_the_earlier_detection_comes_first() -> None:
    """Two detections of one object with one score: the first is right, whatever sorts them, in any number."""
    from transfer.evaluation.voc_ap import judge_class

    near, far = OBJECT, (2, 2, 22, 22)
    for count in (2, 20, 200):  # small and large arrays are sorted in different ways
        boxes = [(near if k == 0 else far, 0, 0.5) for k in range(count)]
        judged = judge_class([image([(OBJECT, 0, False)], boxes)], 0)
        assert judged.right.tolist() == [1] + [0] * (count - 1)
        assert judged.wrong.tolist() == [0] + [1] * (count - 1)


def test_a_comparison_shows_only_what_it_names(one_seed: Path) -> None:
    """Numbers of single classes, and a metric that it does not know, change nothing in it."""
    from studies.comparison.compare import compare_runs

    before = compare_runs(one_seed)
    for path in one_seed.glob("*-detection-*/result.json"):
        content = json.loads(path.read_text())
        content["metrics"] |= {"coco_ap_small": 20.0}
        path.write_text(json.dumps({**content, "per_class": {"cat": {"voc07_ap": 30.0, "coco_ap": 20.0}}}))
    assert compare_runs(one_seed) == before


def test_nothing_to_find_is_zero_and_not_a_failure() -> None:
    one = image([(HARD, 0, True)], [(HARD, 0, 0.5)])
    measured = measure([one], ("thing",))
    assert set(measured.values()) == {0.0}
    assert not [key for key in measured if "thing" in key]


def test_more_than_a_hundred_detections_of_a_class_in_an_image() -> None:
    """COCO looks at the best hundred; VOC at all."""
    empty = [((200 + k, 200, 210 + k, 210), 0, 0.9 - k / 1000) for k in range(100)]
    one = image([(OBJECT, 0, False)], [*empty, (OBJECT, 0, 0.1)])
    measured = measure([one], ("thing",))
    assert measured["detection/coco_ap50"] == 0
    assert measured["detection/voc_map"] == approx(1 / 101)
