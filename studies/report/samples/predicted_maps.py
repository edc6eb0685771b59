"""Images whose pixels two segmentors call most differently, with what each of them predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from backbones.errors import UserError, not_none
from studies.report.samples.images import WIDTH, Key, Panel, RunPair, Sample, data_uri, most_different, predictions
from studies.report.samples.segmentations import NOT_THERE, Hatching, image_score, label_map, picture_of, whole_image
from transfer.catalogue import SINGLE_SCALE
from transfer.evaluation.files import read_segmentations
from transfer.evaluation.per_image import SegmentationEvaluation
from transfer.evaluation.pictures.palette import OTHER, UNLABELLED, assign_colors, to_rgb
from transfer.evaluation.pictures.predictions import read_predictions, resample

MOST_NAMED = 8  # classes in a picture's text alternative
LABEL_MAP = "label map"
CELLS = 48  # of a map's width, each of which is hatched where most of it is wrong


def draw_predictions(pair: RunPair) -> tuple[Sequence[Sample], str]:
    """Samples by the share of pixels that the rows give different classes, of the images whose maps both runs keep.

    Maps of different sizes are of different copies of an image, and are left out.

    Beside them stand image and label map, where they can be shown.

    Raises:
        UserError: A file of per-image results or of maps is damaged.
    """
    both = [read_segmentations(each.run.path.with_name(SINGLE_SCALE)) for each in pair.runs]
    if both[0].names != both[1].names:
        return (), "The two rows were tested on different images."
    one, other = (_read(not_none(predictions(each)), len(both[0].classes)) for each in pair.runs)
    shared = [name for name in both[0].names if name in one and name in other and one[name].shape == other[name].shape]
    shares = [float((one[name] != other[name]).mean()) for name in shared]
    samples, lacking = [], ""
    for place in most_different(shares):
        name = shared[place]
        index = both[0].names.index(name)
        seen, maps = _image_and_label_map(pair.root, name, both[0], index, one[name].shape)
        if pair.root is not None and not seen:
            lacking = f"{pair.root / name} or its label map, {NOT_THERE}, so it is not shown."
        for row, evaluation, predicted in zip(pair.names, both, (one[name], other[name]), strict=True):
            maps[f"{row}{_score(evaluation, index)}"] = predicted
        colors = _Colors(list(maps.values()), both[0].classes, one[name] != other[name])
        truth = maps.get(LABEL_MAP)
        panels = (*seen, *(Panel(title, colors.draw(title, labels, truth)) for title, labels in maps.items()))
        note = f"{100 * shares[place]:.0f} % of the pixels called differently"
        samples.append(Sample(Path(name).name, panels, colors.legend, note))
    return samples, lacking


def _read(path: Path, classes: int) -> dict[str, NDArray]:
    maps = read_predictions(path)
    if any((labels >= classes).any() for labels in maps.values()):
        raise UserError(
            f"{path} has more classes than {SINGLE_SCALE} of the run; delete it, and the report goes without"
        )
    return maps


def _image_and_label_map(
    root: Path | None, name: str, evaluation: SegmentationEvaluation, index: int, size: tuple[int, ...]
) -> tuple[list[Panel], dict[str, NDArray]]:
    """Both, the map in the size of the predicted ones; nothing unless both are there."""
    image, labels = (
        (None, None) if root is None else (whole_image(root / name), label_map(root, name, evaluation, index))
    )
    if image is None or labels is None:
        return [], {}
    return [Panel("image", image)], {LABEL_MAP: resample(labels, *size)}


def _score(evaluation: SegmentationEvaluation, index: int) -> str:
    score = image_score(evaluation.confusion(index))
    return "" if score is None else f": mIoU {100 * score:.1f} %"


class _Colors:
    """The colours of the classes in all maps of one image. ``legend`` has the classes with most pixels first.

    Where there are more classes than colours, those that the two rows disagree about come first: else they would often
    have the same grey.
    """

    def __init__(self, maps: Sequence[NDArray], classes: Sequence[str], disputed: NDArray) -> None:
        nothing = np.zeros(len(classes) + 1, np.int64)
        counts = sum((np.bincount(labels.ravel(), minlength=len(nothing)) for labels in maps), start=nothing)
        there = [int(label) for label in np.argsort(-counts[:-1], kind="stable") if counts[label]]
        about = sum((np.bincount(labels[disputed], minlength=len(nothing)) for labels in maps[-2:]), start=nothing)
        weights = np.where(about > 0, counts.sum() + about, counts)[:-1]
        given = [*assign_colors(np.diag(weights)), UNLABELLED]
        self._classes = classes
        self.legend = tuple(Key(given[label], classes[label]) for label in there if given[label] != OTHER)
        if len(self.legend) < len(there):
            self.legend += (Key(OTHER, f"{len(there) - len(self.legend)} other classes"),)
        if counts[-1]:
            self.legend += (Key(UNLABELLED, "no label"),)
        self._palette = list(dict.fromkeys(given))
        self._places = np.array([self._palette.index(color) for color in given], np.uint8)

    def draw(self, title: str, labels: NDArray, truth: NDArray | None) -> Markup:
        """A map as a picture, hatched where it is wrong and there are labels to tell by."""
        image = Image.fromarray(self._places[labels], "P")
        image.putpalette([value for color in self._palette for value in to_rgb(color)])
        counts = np.bincount(labels.ravel(), minlength=len(self._classes) + 1)[:-1]
        largest = [label for label in np.argsort(-counts, kind="stable") if counts[label]][:MOST_NAMED]
        words = ", ".join(f"{self._classes[label]} {100 * counts[label] / labels.size:.0f} %" for label in largest)
        hatching = None if truth is None else _hatching((labels != truth) & (truth < len(self._classes)))
        uri = data_uri(image, "png", optimize=True)
        return picture_of(uri, image.size, f"{title}; pixels: {words}", "flat", hatching)


def _hatching(wrong: NDArray) -> Hatching:
    """A stroke in each cell of a grid of which most pixels are wrong."""
    side = max(1, round(wrong.shape[1] / CELLS))
    padded = np.pad(wrong, [(0, -length % side) for length in wrong.shape])
    shares = padded.reshape(padded.shape[0] // side, side, -1, side).mean(axis=(1, 3))
    path = "".join(f"M{x} {y + 1}l1-1" for y, x in np.argwhere(shares > 0.5))
    return Hatching(path, WIDTH / wrong.shape[1] * side)
