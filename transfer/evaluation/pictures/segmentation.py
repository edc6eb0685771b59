"""The pictures of a segmentor's evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from backbones.errors import not_none
from backbones.reporting.drawing import Bar, Confusion, draw_confusion_matrix, picture, pixel_axes, short
from transfer.evaluation.per_image import SegmentationEvaluation
from transfer.evaluation.pictures.bars import draw_all_bars
from transfer.evaluation.pictures.examples import choose, fade, fit, read_pixels
from transfer.evaluation.pictures.jobs import Job, Maps
from transfer.evaluation.pictures.palette import COLORS, OTHER, WRONG, assign_colors, colorize, to_rgb
from transfer.evaluation.pictures.predictions import FILE, write_predictions
from transfer.evaluation.segmentation import class_shares

WIDTH, HEIGHT, GAP, LEGEND = 280, 210, 14, 230
ROW = HEIGHT + 55
LINE, MOST_LINES = 18, 11


def segmentation_pictures(
    evaluation: SegmentationEvaluation, predict: Callable[[str], Maps], root: Path
) -> Iterator[tuple[str, Job]]:
    """File names of the pictures with what draws each; last the archive of predicted maps.

    Args:
        evaluation: What was measured.
        predict: From the name of an image to its maps.
        root: The data set's folder, which the evaluation's names are relative to.
    """
    scores, diversities = [], []
    for index in range(len(evaluation.names)):
        confusion = evaluation.confusion(index)
        scores.append(image_score(confusion))
        diversities.append(int((confusion.sum(axis=1) > 0).sum()))
    chosen = choose(scores, diversities, evaluation.names)
    confusions = {index: evaluation.confusion(index) for indices in chosen.values() for index in indices}
    for kind, indices in chosen.items():
        shown = {evaluation.names[index]: confusions[index] for index in indices}
        draw = partial(draw_examples, kind=kind, shown=shown, classes=evaluation.classes)
        yield f"{kind}.png", partial(draw, predict=predict, root=root)
    total = evaluation.confusion()
    yield "per_class.png", partial(draw_iou, confusion=total, classes=evaluation.classes)
    yield "confusion.png", partial(draw_class_confusion, counts=total, classes=evaluation.classes)
    yield FILE, partial(write_predictions, names=evaluation.names, predict=lambda name: predict(name).prediction)


def image_score(confusion: NDArray) -> float | None:
    """Mean intersection over union of the classes in one label map, from 0 to 1; None for a map without labels."""
    iou, _ = class_shares(confusion)
    labelled = confusion.sum(axis=1) > 0
    return float(iou[labelled].mean()) if labelled.any() else None


def draw_examples(
    path: Path,
    kind: str,
    shown: Mapping[str, NDArray],
    classes: Sequence[str],
    predict: Callable[[str], Maps],
    root: Path,
) -> None:
    """Images, one per row: as it is, its label map, the prediction, where that is wrong, and what the colours mean.

    Args:
        path: The PNG.
        kind: Which images these are.
        shown: From the name of each image to its confusion (label, prediction).
        classes: Names.
        predict: From the name of an image to its maps.
        root: The data set's folder.
    """
    rows = {name: _panels(read_pixels(root / name), predict(name), assign_colors(shown[name])) for name in shown}
    width = max(panel.shape[1] for panels in rows.values() for panel in panels.values())
    legend = 4 * (width + GAP) + GAP
    with picture(path, legend + LEGEND, 60 + ROW * len(shown), keep=(*COLORS, OTHER, WRONG)) as figure:
        top = f"{kind} images by the mean IoU of the classes in their label maps"
        figure.text(GAP / figure.bbox.width, 1 - 14 / figure.bbox.height, top, va="top", fontsize=11, weight="bold")
        for place, (name, panels) in enumerate(rows.items()):
            down = 90 + ROW * place
            for column, (title, panel) in enumerate(panels.items()):
                axes = pixel_axes(figure, GAP + (width + GAP) * column, down, panel.shape[1], panel.shape[0])
                axes.imshow(panel, interpolation="nearest")
                axes.set_axis_off()
                axes.set_title(title if column else _describe(name, shown[name]), fontsize=9)
            _draw_legend(figure, legend, down, shown[name], classes)


def _panels(pixels: NDArray, maps: Maps, colors: Sequence[str]) -> dict[str, NDArray]:
    """By title the four images of a row, each fitted into its place; maps are resized so that flat stays flat."""
    panels = {
        "label map\n(white: no label)": colorize(maps.label, colors),
        "prediction": colorize(maps.prediction, colors),
        "wrong pixels": show_wrong_pixels(pixels, maps, len(colors)),
    }
    fitted = {title: fit(panel, WIDTH, HEIGHT, smooth=False)[0] for title, panel in panels.items()}
    return {"image": fit(pixels, WIDTH, HEIGHT)[0], **fitted}


def show_wrong_pixels(pixels: NDArray, maps: Maps, classes: int) -> NDArray:
    """The image in light gray, with the labelled pixels in colour that are given another class."""
    gray = fade(np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2), 0.5)
    gray[(maps.label < classes) & (maps.label != maps.prediction)] = to_rgb(WRONG)
    return gray


def _describe(name: str, confusion: NDArray) -> str:
    accuracy = 100 * np.trace(confusion) / confusion.sum()
    return f"{short(Path(name).name)}\nmIoU {100 * not_none(image_score(confusion)):.1f} %, pixels {accuracy:.1f} %"


def _draw_legend(figure: Figure, left: float, top: float, confusion: NDArray, classes: Sequence[str]) -> None:
    """The image's classes, those with most pixels first, with their IoU in this image."""

    def write(line: float, text: str) -> None:
        figure.text((left + 20) / width, 1 - (top + LINE * line + 6) / height, text, va="center", fontsize=8.5)

    width, height = figure.bbox.width, figure.bbox.height
    colors = assign_colors(confusion)
    sizes = confusion.sum(axis=0) + confusion.sum(axis=1)
    there = [int(label) for label in np.argsort(-sizes, kind="stable") if sizes[label]]
    iou, _ = class_shares(confusion)
    write(-1, "IoU in this image")
    listed = there if len(there) <= MOST_LINES else there[: MOST_LINES - 1]
    for line, label in enumerate(listed):
        corner = left / width, 1 - (top + LINE * line + 12) / height
        figure.add_artist(Rectangle(corner, 14 / width, 12 / height, color=colors[label]))
        write(line, f"{short(classes[label])}  {100 * iou[label]:.0f} %")
    if len(there) > len(listed):
        write(len(listed), f"and {len(there) - len(listed)} more")


def draw_iou(path: Path, confusion: NDArray, classes: Sequence[str]) -> None:
    """Intersection over union per class, from the worst to the best, with its share of the labelled pixels."""
    iou, _ = class_shares(confusion)
    shares = 100 * confusion.sum(axis=1) / confusion.sum()
    bars = [
        Bar(name, 100 * value, f"{100 * value:.1f} % ({share:.1f})")
        for name, value, share in zip(classes, iou, shares, strict=True)
        if not np.isnan(value)
    ]
    draw_all_bars(path, bars, "IoU", "% of the pixels")


def draw_class_confusion(path: Path, counts: NDArray, classes: Sequence[str]) -> None:
    """Labelled pixels by label (row) and prediction (column)."""
    pixels = int(counts.sum())
    confusion = Confusion(
        counts,
        rows=classes,
        columns=classes,
        title=f"{100 * np.trace(counts) / pixels:.2f} % of {pixels:,} labelled pixels are right",
        explanation="row: label (share of all pixels), column: prediction, % of the row",
        row_axis="label: number of the class, from 0",
        column_axis="prediction: number of the class, from 0",
        total=lambda count: f"{100 * count / pixels:.1f} %",
        pairs_title="mixed up most: % of the label (of all pixels)",
    )
    draw_confusion_matrix(path, confusion)
