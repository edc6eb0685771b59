"""The bootstrap over test images against evaluations of lists that were really resampled, and its coverage."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, fixture, mark
from scipy import stats

from studies.statistics.bootstrap import (
    LEAST_IMAGES,
    Replicates,
    image_interval,
    measure,
    multiplicities,
    percentile_interval,
    resample,
)
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage, SegmentationEvaluation, SegmentedImage
from transfer.openmmlab import ops_bridge

CLASSES = ("cat", "dog", "owl")


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


def detections(seed: int, count: int, levels: int = 0) -> DetectionEvaluation:
    """Objects pushed about, some difficult, and detections of nothing; so many different scores, or all different."""
    draw = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        objects, nothing = draw.integers(0, 5), draw.integers(0, 4)
        corners = draw.integers(0, 60, (objects, 2))
        boxes = np.hstack([corners, corners + draw.integers(8, 30, (objects, 2))]).astype(np.float32)
        labels = draw.integers(0, len(CLASSES), objects)
        again = np.repeat(np.arange(objects), draw.integers(0, 3, objects))
        corners = draw.integers(0, 60, (nothing, 2))
        found = np.vstack([boxes[again] + draw.integers(-3, 4, (len(again), 4)), np.hstack([corners, corners + 20])])
        found_labels = np.concatenate([labels[again], draw.integers(0, len(CLASSES), nothing)])
        scores = draw.integers(0, levels, len(found)) / levels if levels else draw.random(len(found))
        difficult = draw.random(objects) < 0.3
        images.append(
            EvaluatedImage(boxes, labels, difficult, found.astype(np.float32), found_labels, scores.astype(np.float32))
        )
    return DetectionEvaluation(CLASSES, names(count), images)


def tied_across_images(evaluation: DetectionEvaluation) -> DetectionEvaluation:
    """The same with few different scores, none of them twice in an image."""
    images = [image._replace(scores=np.argsort(image.scores).astype(np.float32)) for image in evaluation.images]
    return replace(evaluation, images=images)


def segmentations(seed: int, count: int) -> SegmentationEvaluation:
    """Confusions of random pixels, some images without any."""
    draw = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        pairs = np.flatnonzero(draw.random(len(CLASSES) ** 2) < 0.4)
        images.append(SegmentedImage(pairs, draw.integers(1, 1000, len(pairs))))
    return SegmentationEvaluation(CLASSES, names(count), images)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"{number:06}.jpg" for number in range(count))


def really_drawn(evaluation: DetectionEvaluation | SegmentationEvaluation, times: np.ndarray) -> list:
    """The list of images with each as often as it was drawn."""
    return [image for image, count in zip(evaluation.images, times, strict=True) for _ in range(count)]


def slow_detection(evaluation: DetectionEvaluation, times: np.ndarray) -> dict[str, float]:
    from transfer.evaluation.voc_ap import voc_curve

    images = really_drawn(evaluation, times)
    curves = [voc_curve(images, label) for label in range(len(evaluation.classes))]
    known = [curve.average_precision() for curve in curves if curve is not None]
    means = [100 * fmean(column) for column in zip(*known, strict=True)] or [np.nan, np.nan]
    return dict(zip(("voc07_map", "voc_map"), means, strict=True))


def slow_segmentation(evaluation: SegmentationEvaluation, times: np.ndarray) -> dict[str, float]:
    from transfer.evaluation.segmentation import measure_segmentation

    images = really_drawn(evaluation, times)
    if not sum(image.pixels.sum() for image in images):
        return {"pixel_accuracy": np.nan, "miou": np.nan}
    found = measure_segmentation(SegmentationEvaluation(CLASSES, names(len(images)), images))
    labelled = evaluation.confusion().sum(axis=1) > 0  # of all images: the classes that every resample averages
    averaged = [name for name, there in zip(CLASSES, labelled, strict=True) if there and f"iou/{name}" in found]
    miou = fmean(found[f"iou/{name}"] for name in averaged)
    return {"pixel_accuracy": 100 * found["pixel_accuracy"], "miou": 100 * miou}


# --- against lists that were really resampled ---


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(0, 10**6), st.booleans())
def test_map_is_that_of_the_resampled_list(seed: int, count: int, drawn_with: int, ties: bool) -> None:
    """Equal scores in different images too: there the list of drawn images keeps the order, copies together."""
    evaluation = tied_across_images(detections(seed, count)) if ties else detections(seed, count)
    drawn = multiplicities(evaluation.names, 4, drawn_with)
    fast = measure(evaluation, drawn)
    for number, times in enumerate(drawn):
        slow = slow_detection(evaluation, times)
        assert {name: values[number] for name, values in fast.items()} == approx(slow, rel=1e-12, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(0, 10**6))
def test_segmentation_is_that_of_the_resampled_list(seed: int, count: int, drawn_with: int) -> None:
    evaluation = segmentations(seed, count)
    drawn = multiplicities(evaluation.names, 4, drawn_with)
    fast = measure(evaluation, drawn)
    for number, times in enumerate(drawn):
        slow = slow_segmentation(evaluation, times)
        assert {name: values[number] for name, values in fast.items()} == approx(slow, rel=1e-12, nan_ok=True)


@mark.parametrize("levels", [0, 4])
def test_every_image_once_is_the_runs_own_metric(levels: int) -> None:
    from transfer.evaluation.detection import measure_detection, voc_curves
    from transfer.evaluation.segmentation import measure_segmentation

    detected, segmented = detections(3, 40, levels), segmentations(3, 40)
    own = {**measure_detection(detected, voc_curves(detected)), **measure_segmentation(segmented)}
    for evaluation in (detected, segmented):
        for name, replicates in resample(evaluation, 5).items():
            assert replicates.own == approx(100 * own[name], rel=1e-13)
    once = measure(detected, np.ones((1, 40), np.int32))
    assert once["voc07_map"][0] == approx(100 * own["voc07_map"], rel=1e-15)


def test_a_copy_that_counts_twice_would_be_noticed() -> None:
    """Negative control: a drawn image's detections without its objects, or the other way round, give other numbers."""
    evaluation = detections(5, 12)
    times = multiplicities(evaluation.names, 1, 0)
    right = slow_detection(evaluation, times[0])
    for fields in (("boxes", "labels", "difficult"), ("found_boxes", "found_labels", "scores")):
        images = really_drawn(evaluation, times[0])
        once: set[int] = set()
        for place, image in enumerate(images):
            if id(image) in once:
                images[place] = image._replace(**{field: getattr(image, field)[:0] for field in fields})
            once.add(id(image))
        broken = replace(evaluation, names=names(len(images)), images=images)
        assert slow_detection(broken, np.ones(len(images), int)) != approx(right, rel=1e-3)


# --- draws ---


def test_draws_are_of_as_many_images_and_repeatable() -> None:
    drawn = multiplicities(names(50), 400, 7)
    assert (drawn.sum(axis=1) == 50).all()
    np.testing.assert_array_equal(drawn, multiplicities(names(50), 400, 7))
    assert (drawn != multiplicities(names(50), 400, 8)).any()
    # Each image's number is binomial with n = 50 and p = 1 / 50: mean 1, variance 0.98.
    assert drawn.mean() == 1
    assert drawn.var() == approx(0.98, abs=0.05)


def test_an_image_has_its_draws_wherever_it_stands() -> None:
    order = np.random.default_rng(0).permutation(30)
    shuffled = multiplicities([names(30)[place] for place in order], 6, 1)
    np.testing.assert_array_equal(shuffled, multiplicities(names(30), 6, 1)[:, order])


def test_runs_that_went_through_the_images_in_another_order_pair_up() -> None:
    evaluation, order = segmentations(2, 30), np.random.default_rng(1).permutation(30)
    other = replace(
        evaluation,
        names=tuple(evaluation.names[place] for place in order),
        images=[evaluation.images[place] for place in order],
    )
    one, two = resample(evaluation, 50)["miou"], resample(other, 50)["miou"]
    assert image_interval([one], [two]) == approx((0, 0), abs=1e-12)
    assert one.images == two.images


# --- intervals ---


def test_percentiles_by_hand() -> None:
    assert percentile_interval(np.arange(1001.0)) == approx((25, 975))
    assert percentile_interval(np.array([np.nan, 3.0, np.nan])) == (3, 3)
    assert percentile_interval(np.array([np.nan])) is None


def test_intervals_of_means_and_differences() -> None:
    draw = np.random.default_rng(0)
    one, two, base = (Replicates("same", 99, 0.0, draw.normal(centre, 1, 400)) for centre in (10, 20, 5))
    assert image_interval([one, two]) == percentile_interval((one.values + two.values) / 2)
    assert image_interval([one, two], [base]) == percentile_interval((one.values + two.values) / 2 - base.values)
    low, high = image_interval([one], [base])
    assert image_interval([base], [one]) == approx((-high, -low))


def test_no_interval_without_runs_for_other_images_or_for_few() -> None:
    values = np.arange(5.0)
    assert image_interval([]) is None
    assert image_interval([Replicates("a", 99, 0.0, values)], [Replicates("b", 99, 0.0, values)]) is None
    assert image_interval([Replicates("a", LEAST_IMAGES - 1, 0.0, values)]) is None
    assert image_interval([Replicates("a", LEAST_IMAGES, 0.0, values)]) is not None


def pixels(draw: np.random.Generator, count: int, accuracies: tuple[float, ...]) -> list[SegmentationEvaluation]:
    """Runs on the same images of two classes: hard and easy images for all alike, as many pixels each."""
    ease = draw.normal(0, 0.1, count)
    runs = []
    for accuracy in accuracies:
        right = draw.binomial(100, np.clip(accuracy + ease, 0, 1))
        images = [SegmentedImage(np.array([0, 1]), np.array([one, 100 - one])) for one in right]
        runs.append(SegmentationEvaluation(CLASSES[:2], names(count), images))
    return runs


def test_intervals_cover_the_truth_and_pairing_makes_them_narrow() -> None:
    """Images of a known distribution: pixel accuracy 70 % in the long run, and 2 points between two runs."""
    trials, draw = 300, np.random.default_rng(4)
    covered, covered_difference, widths = 0, 0, []
    for trial in range(trials):
        one, two = (resample(run, 400, trial)["pixel_accuracy"] for run in pixels(draw, 100, (0.72, 0.70)))
        single, difference = image_interval([two]), image_interval([one], [two])
        covered += single[0] <= 70 <= single[1]
        covered_difference += difference[0] <= 2 <= difference[1]
        widths.append((single[1] - single[0], difference[1] - difference[0]))
    low, high = stats.binom.interval(1 - 1e-6, trials, 0.95)
    assert low <= covered <= high
    assert low <= covered_difference <= high
    wide, narrow = np.mean(widths, axis=0)
    assert narrow < 0.75 * wide


def test_intervals_of_map_cover_what_test_sets_of_that_size_give() -> None:
    """The truth is the mean over many test sets. Resamples lie above it, so a little less than 95 % is expected."""
    trials, images, once = 50, 50, np.ones((1, 50), np.int32)
    others = [measure(detections(1000 + number, images), once)["voc_map"][0] for number in range(100)]
    found = [resample(detections(number, images), 100, number)["voc_map"] for number in range(trials)]
    truth = fmean([*others, *(replicates.own for replicates in found)])
    bounds = np.array([percentile_interval(replicates.values) for replicates in found])
    covered = np.sum((bounds[:, 0] <= truth) & (truth <= bounds[:, 1]))
    assert covered >= stats.binom.ppf(1e-4, trials, 0.90)
    assert np.mean([replicates.values.mean() - replicates.own for replicates in found]) > 0  # as documented
