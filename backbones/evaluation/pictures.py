"""The pictures of a classification report: confusion matrix, reliability diagram, accuracy per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from backbones.evaluation.metrics import CalibrationBin
from backbones.reporting.drawing import (
    BLUE,
    DASHES,
    GRAY,
    LIGHT_BLUE,
    ORANGE,
    Bar,
    Confusion,
    draw_bar_panels,
    draw_confusion_matrix,
    picture,
    pixel_axes,
)

MOST_BARS = 20


def draw_confusion(path: Path, confusion: np.ndarray, classes: Sequence[str]) -> None:
    """Confusion matrix of images (K, K) by true class (row) and guess; see ``draw_confusion_matrix``."""
    images = int(confusion.sum())
    words: dict[str, Any] = {
        "title": f"{100 * np.trace(confusion) / images:.2f} % of {images} images are right",
        "explanation": "row: true class (images), column: guess, % of the row",
        "row_axis": "true: row of per_class.csv, from 0",
        "column_axis": "guessed: row of per_class.csv, from 0",
    }
    draw_confusion_matrix(path, Confusion(confusion, classes, classes, **words))


def draw_class_accuracy(path: Path, table: Sequence[dict[str, Any]]) -> None:
    """Top-1 per class, from the worst to the best; of more than 40 classes the 20 worst and the 20 best."""
    ranked = sorted((row for row in table if row["images"]), key=lambda row: (row["top1"], row["class"]))
    mean = float(np.mean([row["top1"] for row in ranked]))
    bars = [Bar(row["class"], row["top1"], f"{row['top1']:.0f} % ({row['correct']}/{row['images']})") for row in ranked]
    if len(bars) <= 2 * MOST_BARS:
        panels = {f"accuracy of {len(bars)} classes; dashed: their mean, {mean:.1f} %": bars}
    else:
        panels = {
            f"the {MOST_BARS} worst of {len(bars)} classes; dashed: mean of all, {mean:.1f} %": bars[:MOST_BARS],
            f"the {MOST_BARS} best": bars[-MOST_BARS:],
        }
    draw_bar_panels(path, panels, mean)


def draw_reliability(path: Path, bins: Sequence[CalibrationBin], metrics: dict[str, float]) -> None:
    """Accuracy over confidence, its distance from the mean confidence, and how many images have which confidence."""
    images = sum(part.images for part in bins)
    filled = [part for part in bins if part.images]
    centers = [(part.lower + part.upper) / 2 for part in filled]
    accuracies, confidences = ([getattr(part, name) for part in filled] for name in ("accuracy", "confidence"))
    width = 0.9 * (bins[0].upper - bins[0].lower)
    percent = PercentFormatter(decimals=0, symbol=" %")
    with picture(path, 560, 720) as figure:
        top = pixel_axes(figure, 70, 45, 460, 440)
        top.bar(centers, accuracies, width, color=LIGHT_BLUE, label="accuracy in the bin")
        top.plot([0, 100], [0, 100], color=GRAY, linewidth=1, linestyle=DASHES)
        top.vlines(centers, accuracies, confidences, color=ORANGE, linewidth=1.5)
        top.plot(centers, confidences, "o", color=ORANGE, markersize=4, label="mean confidence in the bin, and the gap")
        top.set(xlim=(0, 100), ylim=(0, 104))
        top.set_title(f"expected calibration error {metrics['expected_calibration_error']:.2f} % over {images} images")
        top.legend(loc="upper left", edgecolor="none")
        top.tick_params(labelbottom=False)
        bottom = pixel_axes(figure, 70, 525, 460, 130, sharex=top)
        bottom.bar(centers, [100 * part.images / images for part in filled], width, color=LIGHT_BLUE)
        for name, label, color in (("top1", "accuracy", BLUE), ("mean_confidence", "mean confidence", ORANGE)):
            bottom.axvline(metrics[name], color=color, linewidth=1.5, label=f"{label} {metrics[name]:.1f} %")
        bottom.set(xlabel="confidence of the guess", ylabel="share of images")
        bottom.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2)
        for axis in (top.xaxis, top.yaxis, bottom.yaxis):
            axis.set_major_formatter(percent)
