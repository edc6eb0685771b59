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

from transfer.compare import Comparison
from transfer.evaluation_files import SINGLE_SCALE
from transfer.report.answer import QUESTIONS, best_place
from transfer.report.records import Record, Records
from transfer.report.words import label

MOST_IMAGES = 4
WIDTH = 360  # pixels of an image on the page
QUALITY = 72
# Colours of the share of a class's pixels that is right, from none to all; in lightness too, so that it reads without.
SHARES = ("#b35806", "#f1a340", "#d9d9d9", "#67a9cf", "#08519c")


class Panel(NamedTuple):
    """One picture and the words below it."""

    title: str
    picture: Markup


@dataclass(frozen=True)
class Sample:
    """One image: its name, and what each row made of it."""

    name: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Samples:
    """A task's images; where there are none, ``reason`` says why."""

    task: str
    rows: tuple[str, str]
    seed: int | None
    samples: tuple[Sample, ...]
    reason: str


class Pair(NamedTuple):
    """A run of the baseline and one of the row that gained most, of one seed, and the folder of their images."""

    names: tuple[str, str]
    runs: tuple[Record, Record]
    root: Path


Drawer = Callable[[Pair], tuple[Sequence[Sample], str]]


def samples(comparison: Comparison, records: Records, with_images: bool = True) -> list[Samples]:
    """For each task two rows that were compared on it.

    Args:
        comparison: Whose.
        records: Its runs.
        with_images: Whether images of the data set may be on the page.

    Raises:
        UserError: A file of per-image results is damaged.
    """
    found = []
    for task, metric in QUESTIONS.items():
        place = best_place(comparison, metric)
        if place is None:
            continue
        best = comparison.rows[place]
        baseline = next(row for row in comparison.rows if row.name == comparison.baseline)
        names = (label(baseline, comparison.rows), label(best, comparison.rows))
        runs = _same_seed(*(records.of((row.recipe, row.network), task) for row in (baseline, best)))
        drawn, reason = _draw(task, names, runs, with_images)
        found.append(Samples(task, names, runs[0].run.seed if runs else None, tuple(drawn), reason))
    return found


def _same_seed(mine: Sequence[Record], others: Sequence[Record]) -> tuple[Record, Record] | None:
    """The first two runs of one seed that both hold per-image results."""
    by_seed = {each.run.seed: each for each in others if each.run.path.with_name(SINGLE_SCALE).is_file()}
    for each in mine:
        if each.run.seed in by_seed and each.run.path.with_name(SINGLE_SCALE).is_file():
            return each, by_seed[each.run.seed]
    return None


def _draw(
    task: str, names: tuple[str, str], runs: tuple[Record, Record] | None, with_images: bool
) -> tuple[Sequence[Sample], str]:
    if not with_images:
        return (), "This page was asked to hold no images of the data."
    if runs is None:
        return (
            (),
            f"No seed of {names[0]} and {names[1]} has {SINGLE_SCALE}, the results per image, in both run folders.",
        )
    root = Path(runs[0].find("data.root", str) or "")
    if not root.is_dir() or not str(root.name):
        return (), f"The data folder {root} cannot be reached from here, so its images cannot be shown."
    from transfer import ops_bridge  # it loads torch, and OpenMMLab needs it

    ops_bridge.install()
    from transfer.report.detections import draw_detections
    from transfer.report.segmentations import draw_segmentations

    draw: Drawer = draw_detections if task == "detection" else draw_segmentations
    return draw(Pair(names, runs, root))


def most_different(differences: Sequence[float | None]) -> list[int]:
    """Up to ``MOST_IMAGES`` indices, the largest absolute difference first; None and 0 are none."""
    known = [index for index, value in enumerate(differences) if value]
    return sorted(known, key=lambda index: (-abs(differences[index]), index))[:MOST_IMAGES]


def photograph(image: Image.Image) -> str:
    """A data URI of an image, as a small JPEG."""
    height = max(1, round(image.height * WIDTH / image.width))
    return _data_uri(image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS), "jpeg", quality=QUALITY)


def flat(image: Image.Image) -> str:
    """A data URI of an image with few colours, which stay what they are."""
    height = max(1, round(image.height * WIDTH / image.width))
    return _data_uri(image.resize((WIDTH, height), Image.Resampling.NEAREST), "png", optimize=True)


def _data_uri(image: Image.Image, kind: str, **options: object) -> str:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
