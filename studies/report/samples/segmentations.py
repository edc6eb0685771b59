"""Images on which two segmentors disagree most: how much of each labelled region each of them got right.

For runs without predicted maps, which older versions did not keep. Their counts of pixels per image tell, for every
class in the label map, the share of its pixels that are called so; each region has the colour of its class's share.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from backbones.errors import UserError, not_none
from backbones.image_files import open_image
from studies.report.figures.svg import Drawing
from studies.report.samples.images import (
    SHARES,
    WIDTH,
    Panel,
    RunPair,
    Sample,
    flat,
    most_different,
    photograph,
    read_photograph,
)
from transfer.catalogue import SINGLE_SCALE
from transfer.evaluation.files import read_segmentations
from transfer.evaluation.per_image import SegmentationEvaluation
from transfer.evaluation.pictures.palette import to_rgb
from transfer.evaluation.segmentation import class_shares


class Hatching(NamedTuple):
    """Strokes over a picture: an SVG path, and the length of its unit."""

    path: str
    unit: float


UNLABELLED = "#ffffff"
NOT_THERE = "as it was in the test, is not there or cannot be read"


def draw_segmentations(pair: RunPair) -> tuple[Sequence[Sample], str]:
    """Samples by the difference in the mean IoU of the classes in an image's label map.

    Raises:
        UserError: A file of per-image results is damaged.
    """
    both = [read_segmentations(each.run.path.with_name(SINGLE_SCALE)) for each in pair.runs]
    if both[0].names != both[1].names:
        return (), "The two rows were tested on different images."
    scores = [
        [image_score(evaluation.confusion(index)) for index in range(len(evaluation.names))] for evaluation in both
    ]
    differences = [None if None in values else values[1] - values[0] for values in zip(*scores, strict=True)]
    samples: list[Sample] = []
    root = not_none(pair.root)
    for index in most_different(differences):
        name = both[0].names[index]
        image, labels = whole_image(root / name), label_map(root, name, both[0], index)
        if image is None or labels is None:
            return samples, f"{root / name} or its label map, {NOT_THERE}, so it cannot be shown."
        panels = [Panel("image", image)]
        for row, evaluation, score in zip(pair.names, both, scores, strict=True):
            picture = _regions(labels, evaluation.confusion(index), evaluation.classes)
            panels.append(Panel(f"{row}: mIoU {100 * not_none(score[index]):.1f} %", picture))
        samples.append(Sample(Path(name).name, tuple(panels)))
    return samples, ""


def image_score(confusion: NDArray) -> float | None:
    """Mean IoU of the classes in an image's label map, from 0 to 1; None for a map without labels."""
    iou, _ = class_shares(confusion)
    labelled = confusion.sum(axis=1) > 0
    return float(iou[labelled].mean()) if labelled.any() else None


def label_map(root: Path, name: str, evaluation: SegmentationEvaluation, index: int) -> NDArray | None:
    """Classes from 0 by pixel, others beyond; None unless it has as many pixels of each class as the test counted.

    None, too, for a file that cannot be read.
    """
    path = (root / name.replace("images", "annotations", 1)).with_suffix(".png")
    if not path.is_file():
        return None
    try:
        with open_image(path) as image:
            stored = np.asarray(image)
    except MemoryError:
        raise
    except Exception:  # Pillow's decoders raise a dozen types on damaged bytes
        return None
    if stored.ndim != 2 or stored.dtype.kind not in "bui":
        return None
    counted, classes = evaluation.confusion(index).sum(axis=1), len(evaluation.classes)
    for first in (1, 0):  # ADE20K's files count from 1, with 0 for no label; others from 0
        labels = stored.astype(np.int64) - first
        labels[(labels < 0) | (labels >= classes)] = classes
        if (np.bincount(labels.ravel(), minlength=classes + 1)[:classes] == counted).all():
            return labels
    return None


def whole_image(path: Path) -> Markup | None:
    """A photograph for the page; None where there is none that can be read."""
    try:
        image = read_photograph(path)
    except UserError:
        return None
    return picture_of(photograph(image), image.size, "the image")


def _regions(labels: NDArray, confusion: NDArray, classes: Sequence[str]) -> Markup:
    _, accuracy = class_shares(confusion)
    known = np.nan_to_num(accuracy)
    bins = np.append(np.minimum((known * len(SHARES)).astype(int), len(SHARES) - 1), len(SHARES))
    image = Image.fromarray(bins[labels].astype(np.uint8), "P")
    image.putpalette([value for color in (*SHARES, UNLABELLED) for value in to_rgb(color)])
    words = "; ".join(f"{classes[label]} {100 * known[label]:.0f} %" for label in np.flatnonzero(confusion.sum(axis=1)))
    return picture_of(flat(image), image.size, f"share of pixels right by class: {words}")


def picture_of(
    uri: str, size: tuple[int, int], words: str, class_: str = "photo", hatching: Hatching | None = None
) -> Markup:
    """An image of (width, height) pixels, what it says to those who do not see it, and strokes over it."""
    drawing = Drawing(WIDTH, max(1, round(WIDTH * size[1] / size[0])))
    drawing.add("image", href=uri, width=drawing.width, height=drawing.height, class_=class_)
    if hatching and hatching.path:
        drawing.add("path", d=hatching.path, transform=f"scale({hatching.unit:.3f})", class_="hatching")
    return drawing.render(words)
