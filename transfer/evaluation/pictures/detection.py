"""The pictures of a detector's evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from backbones.reporting.drawing import DASHES, Bar, Confusion, draw_confusion_matrix, picture, pixel_axes, short
from transfer.evaluation.matching import Matches, above, best_threshold, count_confusion, f1_score, is_right, match
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage
from transfer.evaluation.pictures.bars import draw_all_bars
from transfer.evaluation.pictures.curves import draw_curves
from transfer.evaluation.pictures.examples import choose, fade, fit, read_pixels
from transfer.evaluation.pictures.jobs import Job
from transfer.evaluation.pictures.palette import OTHER, RIGHT, WRONG
from transfer.evaluation.voc_ap import IOU_THRESHOLD, VocCurve

PANEL = 410
OBJECT = "#111111"
HALO = [withStroke(linewidth=3.5, foreground="white")]


def detection_pictures(
    evaluation: DetectionEvaluation, curves: Sequence[VocCurve | None], root: Path
) -> Iterator[tuple[str, Job]]:
    """File names of the pictures with what draws each.

    Args:
        evaluation: What was measured.
        curves: ``voc_curves`` of it.
        root: The data set's folder, which the evaluation's names are relative to.
    """
    matches = [match(image) for image in evaluation.images]
    threshold = best_threshold(evaluation.images, matches)
    matches = [above(threshold, *pair) for pair in zip(evaluation.images, matches, strict=True)]
    scores = [f1_score(*pair) for pair in zip(evaluation.images, matches, strict=True)]
    objects = [len(image.boxes) for image in evaluation.images]
    for kind, indices in choose(scores, objects, evaluation.names).items():
        shown = {index: matches[index] for index in indices}
        title = (
            f"{kind} images by F1 at IoU {IOU_THRESHOLD}, scores from {threshold} on, where all images' F1 is highest"
        )
        draw = partial(draw_detections, title=title, evaluation=evaluation, matches=shown, root=root)
        yield f"{kind}.png", draw
    known = {name: curve for name, curve in zip(evaluation.classes, curves, strict=True) if curve is not None}
    if known:
        yield "per_class.png", partial(draw_average_precision, curves=known)
        yield "precision_recall.png", partial(draw_curves, curves=known)
    counts = count_confusion(evaluation, matches)
    if counts.any():
        yield (
            "confusion.png",
            partial(draw_class_confusion, counts=counts, classes=evaluation.classes, threshold=threshold),
        )


def draw_detections(
    path: Path, title: str, evaluation: DetectionEvaluation, matches: Mapping[int, Matches], root: Path
) -> None:
    """Images with their objects, difficult ones dashed, and the detections, right or wrong, with class and score.

    An object carries its name unless a right detection says it. ``matches`` are those of the images to be shown.
    """
    pixels = {index: fit(read_pixels(root / evaluation.names[index]), PANEL, PANEL) for index in matches}
    tallest = max(image.shape[0] for image, _ in pixels.values())
    with picture(
        path, 20 + (PANEL + 20) * max(len(matches), 2), 90 + tallest + 40, keep=(OBJECT, RIGHT, WRONG, OTHER)
    ) as figure:
        figure.text(20 / figure.bbox.width, 1 - 14 / figure.bbox.height, title, va="top", fontsize=11, weight="bold")
        for place, (index, matched) in enumerate(matches.items()):
            shown, scale = pixels[index]
            axes = pixel_axes(figure, 20 + (PANEL + 20) * place, 85, shown.shape[1], shown.shape[0])
            _draw_panel(axes, fade(shown, 0.3), scale, evaluation.images[index], matched, evaluation.classes)
            axes.set_title(
                f"{short(Path(evaluation.names[index]).name)}\n{_describe(evaluation.images[index], matched)}"
            )
        _draw_legend(figure)


def _draw_panel(
    axes: Axes, pixels: NDArray, scale: float, image: EvaluatedImage, matched: Matches, classes: Sequence[str]
) -> None:
    axes.imshow(pixels, extent=(0, pixels.shape[1], pixels.shape[0], 0), interpolation="nearest")
    axes.set_axis_off()
    right = is_right(image, matched)
    named = set(matched.taken[right].tolist())
    for index, box in enumerate(scale * image.boxes):
        _draw_box(axes, box, OBJECT, dashed=bool(image.difficult[index]), halo=True)
        if index not in named:
            _write(axes, box, classes[image.labels[index]], "white", OBJECT, below=True)
    for index, counted, hit in reversed(list(zip(matched.shown, matched.counted, right, strict=True))):
        color = OTHER if not counted else RIGHT if hit else WRONG
        box = scale * image.found_boxes[index]
        _draw_box(axes, box, color)
        text = f"{classes[image.found_labels[index]]} {image.scores[index]:.2f}"
        _write(axes, box, text, color, "white" if color == RIGHT else "black")


def _draw_box(axes: Axes, box: NDArray, color: str, dashed: bool = False, halo: bool = False) -> None:
    style: dict[str, Any] = {"linestyle": DASHES if dashed else "solid", "path_effects": HALO if halo else None}
    left, top, right, bottom = box.tolist()
    width, height = right - left, bottom - top
    axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=color, linewidth=1.8, **style))


def _write(axes: Axes, box: NDArray, text: str, ground: str, color: str, below: bool = False) -> None:
    """A name at the upper edge of a box, outside it where there is room, or inside at the lower edge."""
    (_, right), (height, _) = axes.get_xlim(), axes.get_ylim()
    to_the_left = box[0] > 0.6 * right  # else a long name would leave the image
    across = box[2] if to_the_left else box[0]
    down = min(box[3], height) if below else max(box[1], 14)
    axes.text(
        float(np.clip(across, 0, right)),
        down,
        short(text),
        fontsize=8,
        color=color,
        ha="right" if to_the_left else "left",
        va="bottom",
        bbox={"facecolor": ground, "edgecolor": "none", "alpha": 0.85, "pad": 1.2},
    )


def _draw_legend(figure: Figure) -> None:
    lines = {
        "annotated (named unless found)": Line2D([], [], color=OBJECT),
        "annotated as difficult": Line2D([], [], color=OBJECT, linestyle=DASHES),
        "right detection": Line2D([], [], color=RIGHT),
        "wrong detection": Line2D([], [], color=WRONG),
        "of a difficult object: does not count": Line2D([], [], color=OTHER),
    }
    figure.legend(lines.values(), lines.keys(), loc="lower left", ncols=5, frameon=False, handlelength=2.5)


def _describe(image: EvaluatedImage, matched: Matches) -> str:
    right, counted = int(is_right(image, matched).sum()), int(matched.counted.sum())
    objects = int((~image.difficult).sum())
    return f"F1 {f1_score(image, matched):.2f}: {right} right, {counted - right} wrong; objects: {objects}"


def draw_average_precision(path: Path, curves: Mapping[str, VocCurve]) -> None:
    """VOC's 11-point average precision per class, from the worst to the best, with the number of objects."""
    found = {name: 100 * curve.average_precision().eleven_points for name, curve in curves.items()}
    bars = [Bar(name, value, f"{value:.1f} % ({curves[name].objects})") for name, value in found.items()]
    draw_all_bars(path, bars, "11-point AP", "objects")


def draw_class_confusion(path: Path, counts: NDArray, classes: Sequence[str], threshold: float) -> None:
    """``count_confusion``'s table of the detections with at least that score."""
    right, objects = int(np.trace(counts)), int(counts[:-1].sum())
    confusion = Confusion(
        counts,
        rows=(*classes, "background"),
        columns=(*classes, "missed"),
        title=f"{100 * right / max(objects, 1):.1f} % of {objects} objects found and named right; scores ≥ {threshold}",
        explanation="row: annotated (how many), column: detected, % of the row",
        row_axis="annotated: number of the class, from 0; last: background",
        column_axis="detected: number of the class, from 0; last: missed",
        pairs_title="most frequent errors: annotated → detected",
    )
    draw_confusion_matrix(path, confusion)
