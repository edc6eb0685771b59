"""Images on which two rows disagree most, from their per-image results, and the pictures that show it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup
from PIL import Image

from transfer.catalogue import BOXES, MAPS, SINGLE_SCALE, TASKS, questions
from transfer.compare import Comparison
from transfer.pictures.predictions import FILE as PREDICTIONS
from transfer.report.answer import best_place
from transfer.report.records import Record, Records
from transfer.report.words import label

MOST_IMAGES = 4
PICTURES = "pictures"  # folder of a run that its predicted maps are in
WIDTH = 360  # pixels of an image on the page
QUALITY = 72
# Colours of the share of a class's pixels that is right, from none to all; in lightness too, so that it reads without.
SHARES = ("#b35806", "#f1a340", "#d9d9d9", "#67a9cf", "#08519c")


class Panel(NamedTuple):
    """One picture and the words below it."""

    title: str
    picture: Markup


class Key(NamedTuple):
    """A colour, and what it stands for."""

    color: str
    words: str


@dataclass(frozen=True)
class Sample:
    """One image: its name, what each row made of it, the colours' legend, and how far the rows are apart."""

    name: str
    panels: tuple[Panel, ...]
    legend: tuple[Key, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Samples:
    """A task's images, drawn as ``kind`` says; ``reason`` says why they, or parts of them, are not there."""

    task: str
    rows: tuple[str, str]
    seed: int | None
    kind: str
    samples: tuple[Sample, ...]
    reason: str


class Pair(NamedTuple):
    """A run of the baseline and one of the row that gained most, of one seed.

    ``root`` is the folder of their images; None where these cannot be reached.
    """

    names: tuple[str, str]
    runs: tuple[Record, Record]
    root: Path | None


Drawer = Callable[[Pair], tuple[Sequence[Sample], str]]
SHARES_OF_CLASSES = "shares"  # maps of runs that kept none


def samples(comparison: Comparison, records: Records, with_images: bool = True) -> list[Samples]:
    """For each task two rows that were compared on it.

    Args:
        comparison: Whose.
        records: Its runs.
        with_images: Whether images of the data set, and maps of their pixels, may be on the page.

    Raises:
        UserError: A file of per-image results is damaged.
    """
    found = []
    for task, metric in questions().items():
        place = best_place(comparison, metric)
        kind = TASKS[task].drawing
        if place is None or kind is None:
            continue
        best = comparison.rows[place]
        baseline = comparison.baseline_row
        names = (label(baseline, comparison.rows), label(best, comparison.rows))
        runs = _same_seed(*(records.of((row.recipe, row.network), task) for row in (baseline, best)))
        if kind == MAPS and not (runs and all(map(predictions, runs))):
            kind = SHARES_OF_CLASSES
        drawn, reason = _draw(kind, names, runs, with_images)
        found.append(Samples(task, names, runs[0].run.seed if runs else None, kind, tuple(drawn), reason))
    return found


def predictions(record: Record) -> Path | None:
    """The archive of a run's predicted maps; None for a detector's run, and for one of an older version."""
    path = record.run.path.parent / PICTURES / PREDICTIONS
    return path if path.is_file() else None


def _same_seed(mine: Sequence[Record], others: Sequence[Record]) -> tuple[Record, Record] | None:
    """The first two runs of one seed that both hold per-image results; if there are, two with predicted maps."""
    by_seed = {each.run.seed: each for each in others}
    pairs = [(each, by_seed[each.run.seed]) for each in mine if each.run.seed in by_seed]
    whole = [pair for pair in pairs if all(each.run.path.with_name(SINGLE_SCALE).is_file() for each in pair)]
    return next((pair for pair in whole if all(map(predictions, pair))), whole[0] if whole else None)


def _draw(
    kind: str, names: tuple[str, str], runs: tuple[Record, Record] | None, with_images: bool
) -> tuple[Sequence[Sample], str]:
    if not with_images:  # nor predicted maps, in which a licensed image can be made out
        return (), "This page was asked to hold no images of the data, nor what was predicted of their pixels."
    if runs is None:
        missing = (
            f"No seed of {names[0]} and {names[1]} has {SINGLE_SCALE}, the results per image, in both run folders."
        )
        return (), missing
    root = Path(runs[0].find("data.root", str) or "")
    lacking = ""
    if not root.is_dir() or not str(root.name):
        lacking = f"The data folder {root} cannot be reached from here, so its images cannot be shown."
        if kind != MAPS:
            return (), lacking
    from transfer.report.detections import draw_detections
    from transfer.report.predicted_maps import draw_predictions
    from transfer.report.segmentations import draw_segmentations

    drawers: dict[str, Drawer] = {
        BOXES: draw_detections,
        MAPS: draw_predictions,
        SHARES_OF_CLASSES: draw_segmentations,
    }
    drawn, reason = drawers[kind](Pair(names, runs, None if lacking else root))
    return drawn, " ".join(filter(None, (lacking, reason)))


def most_different(differences: Sequence[float | None]) -> list[int]:
    """Up to ``MOST_IMAGES`` indices, the largest absolute difference first; None and 0 are none."""
    known = [index for index, value in enumerate(differences) if value]
    return sorted(known, key=lambda index: (-abs(differences[index]), index))[:MOST_IMAGES]


def photograph(image: Image.Image) -> str:
    """A data URI of an image, as a small JPEG."""
    height = max(1, round(image.height * WIDTH / image.width))
    return data_uri(image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS), "jpeg", quality=QUALITY)


def flat(image: Image.Image) -> str:
    """A data URI of an image with few colours, which stay what they are."""
    height = max(1, round(image.height * WIDTH / image.width))
    return data_uri(image.resize((WIDTH, height), Image.Resampling.NEAREST), "png", optimize=True)


def data_uri(image: Image.Image, kind: str, **options: object) -> str:
    """An image as part of the page itself."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
