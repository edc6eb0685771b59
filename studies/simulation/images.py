"""Intervals of mIoU over test images, with ADE20K's 150 classes: how often they hold the truth.

The model. An image holds each class with the share of ADE20K's validation images that do, whatever the other classes.
A class that is there has, on average, as many pixels as make up its share of all, times a log-normal number (s = 1). Of
these a share is right whose logit is the class's own, plus the image's ease, plus noise, both normal (s = 0.7 and 1.5);
the class's own is normal with s = 1.2 and the same in all simulations. The rest goes to one class: in half of the
cases to another one of the image, else to any class, by how many images hold it. A second run has the same images and
nine tenths of the noise's variance in common with the first, and logits higher by ``GAIN``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.simulation.ade20k import IMAGES, IMAGES_WITH, PIXELS
from studies.statistics.bootstrap import Replicates, image_interval, measure, resample
from transfer.evaluation.per_image import SegmentationEvaluation, SegmentedImage

SIZES = (200, 2000)
MEASURE = "miou"
GAIN = 0.1
IMAGE_PIXELS = 100_000  # on average, of all classes together
EASE_SD, NOISE_SD, CLASS_SD, AREA_SD = 0.7, 1.5, 1.2, 1.0
CLASS_LEVEL = 0.3  # gives a mIoU near the paper's
COMMON = 0.9  # of the noise's variance, between two runs on the same images

CLASSES = len(PIXELS)
PRESENCE = np.array(IMAGES_WITH) / IMAGES
AREA = IMAGE_PIXELS * np.array(PIXELS) / sum(PIXELS) / PRESENCE  # where the class is there
CLASS_LOGITS = CLASS_LEVEL + CLASS_SD * np.random.default_rng(150).standard_normal(CLASSES)
NAMES = tuple(map(str, range(CLASSES)))


@dataclass(frozen=True)
class Regions:
    """What a test set holds: one entry for each class of each image.

    Attributes:
        count: Images.
        image: Place of its image.
        label: Its class.
        pixels: Whole number, 1 or more.
        logit: Of the share that is right, without what a run adds.
        noise: What two runs have in common of it.
    """

    count: int
    image: NDArray
    label: NDArray
    pixels: NDArray
    logit: NDArray
    noise: NDArray


def draw_regions(random: np.random.Generator, count: int) -> Regions:
    """A test set of ``count`` images."""
    image, label = np.nonzero(random.random((count, CLASSES)) < PRESENCE)
    size = len(image)
    pixels = AREA[label] * np.exp(AREA_SD * random.standard_normal(size) - AREA_SD**2 / 2)
    logit = CLASS_LOGITS[label] + EASE_SD * random.standard_normal(count)[image]
    noise = COMMON**0.5 * random.standard_normal(size)
    return Regions(count, image, label, np.maximum(1, pixels.round()).astype(np.int64), logit, noise)


def predict(random: np.random.Generator, regions: Regions, gain: float = 0.0) -> SegmentationEvaluation:
    """A run's evaluation on a test set."""
    size = len(regions.image)
    noise = regions.noise + (1 - COMMON) ** 0.5 * random.standard_normal(size)
    share = 1 / (1 + np.exp(-(regions.logit + NOISE_SD * noise + gain)))
    right = (share * regions.pixels).round().astype(np.int64)
    starts = np.searchsorted(regions.image, np.arange(regions.count + 1))
    first, held = starts[regions.image], np.diff(starts)[regions.image]
    neighbour = regions.label[first + (random.random(size) * held).astype(np.int64)]
    anything = random.choice(CLASSES, size, p=PRESENCE / PRESENCE.sum())
    called = np.where(random.random(size) < 0.5, neighbour, anything)
    right = np.where(called == regions.label, regions.pixels, right)
    images = []
    for start, stop in pairwise(starts):
        label, wrong = regions.label[start:stop], (regions.pixels - right)[start:stop]
        pairs = np.concatenate([label * (CLASSES + 1), label * CLASSES + called[start:stop]])
        pixels = np.concatenate([right[start:stop], wrong])
        images.append(SegmentedImage(pairs[pixels > 0], pixels[pixels > 0]))
    return SegmentationEvaluation(NAMES, tuple(f"{number:05}" for number in range(regions.count)), images)


def coverage_table(trials: int, further: int) -> list[dict[str, Any]]:
    """A line for each size of ``SIZES``.

    Args:
        trials: Test sets with intervals.
        further: Test sets that only the truth is estimated from.
    """
    return [_line(size, trials, further) for size in SIZES]


def _line(size: int, trials: int, further: int) -> dict[str, Any]:
    random = np.random.default_rng(size)
    intervals, own, shift = [], [], []
    confusion = np.zeros((2, CLASSES, CLASSES), np.int64)
    for trial in range(trials + further):
        regions = draw_regions(random, size)
        runs = [predict(random, regions), predict(random, regions, GAIN)]
        confusion += [run.confusion() for run in runs]
        if trial < trials:
            found = [resample(run, seed=trial)[MEASURE] for run in runs]
            intervals.append((image_interval(found[:1]), image_interval(found[1:], found[:1])))
            own.append([each.own for each in found])
            shift.append(_shift(found[0]))
        else:
            own.append([float(measure(run, np.ones((1, size), np.int32))[MEASURE][0]) for run in runs])
    of_size = np.mean(own, axis=0)
    of_all = np.array([_miou(each) for each in confusion])
    bounds = np.array(intervals)  # (trials, one run and difference, low and high)
    return {
        "images": size,
        "miou": float(of_size[0]),
        "miou of all images": float(of_all[0]),
        "sd": float(np.std(np.array(own)[:, 0], ddof=1)),
        "shift of resamples": float(np.mean(shift)),
        "half width": float(np.mean(bounds[:, 0, 1] - bounds[:, 0, 0]) / 2),
        "covered": [_covered(bounds[:, 0], of_size[0]), _covered(bounds[:, 0], of_all[0])],
        "difference covered": [
            _covered(bounds[:, 1], of_size[1] - of_size[0]),
            _covered(bounds[:, 1], of_all[1] - of_all[0]),
        ],
    }


def _shift(replicates: Replicates) -> float:
    return float(np.nanmean(replicates.values)) - replicates.own


def _miou(confusion: NDArray) -> float:
    """In percent, of the classes that the labels hold."""
    right, both = np.diagonal(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    there = confusion.sum(axis=1) > 0
    return 100 * float(np.mean(right[there] / (both - right)[there]))


def _covered(bounds: NDArray, truth: float) -> float:
    return float(np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])))
