"""Which detection is of which object, and the confusion of classes, against loops over everything."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, fixture, mark

from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage
from transfer.openmmlab import ops_bridge

CLASSES = 3


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


def image(objects: list[tuple[tuple[int, ...], int, bool]], found: list[tuple[tuple[int, ...], int, float]]) -> Any:
    """From (box, label, difficult) and (box, label, score)."""
    return EvaluatedImage(
        np.array([box for box, *_ in objects], np.float32).reshape(-1, 4),
        np.array([label for _, label, _ in objects], int),
        np.array([difficult for *_, difficult in objects], bool),
        np.array([box for box, *_ in found], np.float32).reshape(-1, 4),
        np.array([label for _, label, _ in found], int),
        np.array([score for *_, score in found], np.float32),
    )


def random_image(draw: np.random.Generator) -> EvaluatedImage:
    def box() -> tuple[int, ...]:
        x, y, width, height = draw.integers([0, 0, 4, 4], [20, 20, 16, 16])
        return int(x), int(y), int(x + width), int(y + height)

    objects = [(box(), int(draw.integers(CLASSES)), bool(draw.random() < 0.3)) for _ in range(draw.integers(6))]
    near = [(tuple(np.array(there) + draw.integers(-2, 3, 4)), label) for there, label, _ in objects * 2]
    found = [(there, label if draw.random() < 0.7 else 0, float(draw.random())) for there, label in near]
    found += [(box(), int(draw.integers(CLASSES)), float(draw.random())) for _ in range(draw.integers(4))]
    return image(objects, found)


def overlap(one: Any, other: Any) -> float:
    width, height = (min(one[k + 2], other[k + 2]) - max(one[k], other[k]) + 1 for k in (0, 1))
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (one, other)]
    return shared / (sum(areas) - shared)


def slow_confusion(images: list[EvaluatedImage], threshold: float) -> dict[tuple[int, int], int]:
    """(annotated, detected) -> how often; the class after the last is "nothing"."""
    counts: Counter[tuple[int, int]] = Counter()
    for one in images:
        left = list(range(len(one.boxes)))
        for index in sorted(range(len(one.scores)), key=lambda k: -one.scores[k]):
            if one.scores[index] < threshold:
                continue
            shares = {k: overlap(one.found_boxes[index], one.boxes[k]) for k in left}
            best = max(shares, key=lambda k: (shares[k], -k), default=None)
            if best is None or shares[best] < 0.5:
                counts[CLASSES, int(one.found_labels[index])] += 1
            elif not one.difficult[best]:
                counts[int(one.labels[best]), int(one.found_labels[index])] += 1
                left.remove(best)
        for k in left:
            if not one.difficult[k]:
                counts[int(one.labels[k]), CLASSES] += 1
    return dict(counts)


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 10**6), threshold=st.sampled_from([0.05, 0.3, 0.7]))
def test_confusion_equals_a_loop(seed: int, threshold: float) -> None:
    from transfer.evaluation.matching import above, count_confusion, match

    draw = np.random.default_rng(seed)
    images = [random_image(draw) for _ in range(4)]
    evaluation = DetectionEvaluation(("a", "b", "c"), tuple("wxyz"), images)
    matches = [match(one, threshold) for one in images]
    counts = count_confusion(evaluation, matches)
    assert {(int(r), int(c)): int(counts[r, c]) for r, c in np.argwhere(counts)} == slow_confusion(images, threshold)
    for one, direct in zip(images, matches, strict=True):
        cut = above(threshold, one, match(one))
        for mine, other in zip(cut, direct, strict=True):
            np.testing.assert_array_equal(mine, other)


ONE, TWO = (0, 0, 20, 20), (40, 40, 60, 60)


@mark.parametrize(
    ("objects", "found", "f1"),
    [
        ([(ONE, 0, False)], [(ONE, 0, 0.9)], 1),
        ([(ONE, 0, False)], [(ONE, 1, 0.9)], 0),
        ([(ONE, 0, False)], [(ONE, 1, 0.9), (ONE, 0, 0.8)], 0),  # the surer one has taken it
        ([(ONE, 0, False)], [(ONE, 0, 0.9), (ONE, 0, 0.8)], 2 / 3),
        ([(ONE, 0, False), (TWO, 1, False)], [(ONE, 0, 0.9)], 2 / 3),
        ([(ONE, 0, False), (TWO, 1, True)], [(ONE, 0, 0.9), (TWO, 0, 0.9), (TWO, 0, 0.8)], 1),
        ([(ONE, 0, False)], [], 0),
        ([(ONE, 0, True)], [(TWO, 0, 0.9)], None),
    ],
)
def test_f1_by_hand(objects: Any, found: Any, f1: float | None) -> None:
    from transfer.evaluation.matching import f1_score, match

    one = image(objects, found)
    assert f1_score(one, match(one)) == (None if f1 is None else approx(f1))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_no_threshold_is_better_than_the_best(seed: int) -> None:
    from transfer.evaluation.matching import above, best_threshold, count_confusion, match

    draw = np.random.default_rng(seed)
    images = [random_image(draw) for _ in range(4)]
    evaluation = DetectionEvaluation(("a", "b", "c"), tuple("wxyz"), images)
    matches = [match(one) for one in images]

    def f1(threshold: float) -> float:
        counts = count_confusion(evaluation, [above(threshold, *pair) for pair in zip(images, matches, strict=True)])
        ordinary, detections = counts[:-1].sum(), counts[:, :-1].sum()
        return 2 * np.trace(counts) / max(ordinary + detections, 1)

    best = best_threshold(images, matches)
    scores = np.concatenate([one.scores for one in images]) if images else []
    highest = max((f1(score) for score in scores if score >= 0.05), default=0.0)
    if highest:
        reached = max(f1(score) for score in scores if best <= score < best + 0.01)
        assert reached == approx(highest)
    else:
        assert best == 0.5
