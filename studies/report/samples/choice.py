"""Images on which two rows disagree most, from their per-image results, and the pictures that show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbones.errors import not_none
from studies.comparison.compare import Comparison
from studies.report.answer import best_place
from studies.report.forms.records import Record, Records
from studies.report.samples.images import RunPair, Sample, predictions
from studies.report.words import label
from transfer.catalogue import BOXES, MAPS, SINGLE_SCALE, TASKS, questions


@dataclass(frozen=True)
class Samples:
    """A task's images, drawn as ``kind`` says; ``reason`` says why they, or parts of them, are not there."""

    task: str
    rows: tuple[str, str]
    seed: int | None
    kind: str
    samples: tuple[Sample, ...]
    reason: str


Drawer = Callable[[RunPair], tuple[Sequence[Sample], str]]
SHARES_OF_CLASSES = "shares"  # maps of runs that kept none


def samples(comparison: Comparison, records: Records, with_images: bool = True, at: str = "") -> list[Samples]:
    """For each task two rows that were compared on it.

    Args:
        comparison: Whose.
        records: Its runs.
        with_images: Whether images of the data set, and maps of their pixels, may be on the page.
        at: What the anchors of this comparison begin with, where the page has several.

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
        baseline = not_none(comparison.baseline_row)
        names = (label(baseline, comparison.rows), label(best, comparison.rows))
        runs = _same_seed(*(records.of((row.recipe, row.network), task) for row in (baseline, best)))
        if kind == MAPS and not (runs and all(map(predictions, runs))):
            kind = SHARES_OF_CLASSES
        drawn, reason = _draw(kind, names, runs, with_images, at)
        found.append(Samples(task, names, runs[0].run.seed if runs else None, kind, tuple(drawn), reason))
    return found


def _same_seed(mine: Sequence[Record], others: Sequence[Record]) -> tuple[Record, Record] | None:
    """The first two runs of one seed that both hold per-image results; if there are, two with predicted maps."""
    by_seed = {each.run.seed: each for each in others}
    pairs = [(each, by_seed[each.run.seed]) for each in mine if each.run.seed in by_seed]
    whole = [pair for pair in pairs if all(each.run.path.with_name(SINGLE_SCALE).is_file() for each in pair)]
    return next((pair for pair in whole if all(map(predictions, pair))), whole[0] if whole else None)


def _draw(
    kind: str, names: tuple[str, str], runs: tuple[Record, Record] | None, with_images: bool, at: str
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
    from studies.report.samples.detections import draw_detections
    from studies.report.samples.predicted_maps import draw_predictions
    from studies.report.samples.segmentations import draw_segmentations

    drawers: dict[str, Drawer] = {
        BOXES: draw_detections,
        MAPS: draw_predictions,
        SHARES_OF_CLASSES: draw_segmentations,
    }
    drawn, reason = drawers[kind](RunPair(names, runs, None if lacking else root, at))
    return drawn, " ".join(filter(None, (lacking, reason)))
