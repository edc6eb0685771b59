"""1,000 resamples of the test images of one run, all of its measures, by the clock on the wall: made-up results in the
size of VOC2007 test (4,952 images, 20 classes, 12,032 objects, 30 detections to an image) and of ADE20K's validation
images (2,000 with 150 classes, 12 of them in an image). The aim for VOC is less than a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from studies.statistics.bootstrap import RESAMPLES, resample
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage, SegmentationEvaluation, SegmentedImage
from transfer.openmmlab import ops_bridge

TITLE = "Resampling the test images"
QUICK = False
VOC_IMAGES, VOC_CLASSES, VOC_OBJECTS, DETECTIONS = 4952, 20, 12032, 30
ADE_IMAGES, ADE_CLASSES, ADE_PRESENT = 2000, 150, 12


def measure(settings: Settings) -> Findings:
    """Seconds, medians of the rounds."""
    ops_bridge.install()  # before OpenMMLab is imported, which matches detections to objects
    detections, segmentations = made_up_detections(), made_up_segmentations()
    seconds = {
        f"{RESAMPLES:,} resamples of {VOC_IMAGES:,} images with detections": _seconds(
            settings, lambda: resample(detections)
        ),
        f"{RESAMPLES:,} resamples of {ADE_IMAGES:,} segmented images": _seconds(
            settings, lambda: resample(segmentations)
        ),
    }
    return Findings(figures={name: {"seconds": each} for name, each in seconds.items()})


def made_up_detections() -> DetectionEvaluation:
    """Objects anywhere, each with a detection near it, the rest anywhere."""
    draw = np.random.default_rng(0)
    counts = np.bincount(draw.integers(VOC_IMAGES, size=VOC_OBJECTS), minlength=VOC_IMAGES)
    images = []
    for count in counts:
        there, more = _boxes(draw, count), _boxes(draw, DETECTIONS)
        labels, found_labels = draw.integers(VOC_CLASSES, size=count), draw.integers(VOC_CLASSES, size=DETECTIONS)
        near = min(count, DETECTIONS)
        more[:near], found_labels[:near] = there[:near] + draw.normal(0, 10, (near, 4)), labels[:near]
        scores = draw.random(DETECTIONS, np.float32)
        images.append(EvaluatedImage(there, labels, draw.random(count) < 0.2, more, found_labels, scores))
    names = tuple(map(str, range(VOC_IMAGES)))
    return DetectionEvaluation(tuple(map(str, range(VOC_CLASSES))), names, images)


def made_up_segmentations() -> SegmentationEvaluation:
    """Images whose classes are taken for each other."""
    draw = np.random.default_rng(0)
    images = []
    for _ in range(ADE_IMAGES):
        present = draw.choice(ADE_CLASSES, ADE_PRESENT, replace=False)
        pairs = np.sort((present[:, None] * ADE_CLASSES + present).ravel())
        images.append(SegmentedImage(pairs, draw.integers(1, 5000, len(pairs))))
    names = tuple(map(str, range(ADE_IMAGES)))
    return SegmentationEvaluation(tuple(map(str, range(ADE_CLASSES))), names, images)


def _boxes(draw: np.random.Generator, count: int) -> np.ndarray:
    corners = draw.integers(0, 300, (count, 2))
    return np.hstack([corners, corners + draw.integers(20, 200, (count, 2))]).astype(np.float32)


def _seconds(settings: Settings, work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(settings.rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return median(seconds)
