"""What the notes of a comparison say: how to read its numbers, and what they do not tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studies.comparison.tuned_arm import TunedRow, TunedTask
from studies.results.paper import find_row, setting
from studies.results.run_tree import RunTree
from studies.results.units import single_backbone
from studies.statistics.power import POWER
from studies.statistics.seeds import CONFIDENCE, LEAST_PAIRS, SIGNIFICANCE, WELCH, Difference
from studies.statistics.verdict import MARGIN
from transfer.catalogue import SEGMENTATION, SINGLE_SCALE, further_names
from transfer.evaluation.files import read_segmentations
from transfer.evaluation.segmentation import classes_without_labels

if TYPE_CHECKING:
    from studies.comparison.rows import Row

_MOST_CLASSES = 10
_PERCENT = f"{CONFIDENCE * 100:.0f} %"


def reading_notes(
    tree: RunTree, rows: Sequence[Row], tuned: Sequence[TunedTask], baseline: str, recipe: str
) -> tuple[str, ...]:
    """All that these rows need; ``baseline`` is the row's name, ``recipe`` its recipe in the paper."""
    shown: list[Row | TunedRow] = [*rows, *(row for task in tuned for row in task.rows)]
    notes = []
    if any(row.name == baseline for row in rows):
        notes.append(
            f'Δ: difference from the row "{baseline}" in points: of the two means, and from {LEAST_PAIRS} seeds in '
            "common on the mean over the seeds of both."
        )
    if any(cell.n > 1 for row in shown for cell in row.cells.values()):
        notes.append(
            f"± seeds: half the width of the {_PERCENT} Student-t interval over seeds. n: seeds; under Δ those of the "
            "row and of the baseline, or how many are paired. With n=1 there is no interval."
        )
    else:
        notes.append("n=1, no interval: one seed per row does not tell a difference from noise.")
    notes += _looks_note(tree)
    notes += _image_note(shown) + _verdict_notes(rows) + _metric_notes(shown)
    if any(run.task != "classification" for run in tree.finished):
        notes.append(
            "proof: in every transfer all tensors of the backbone arrived in the built model and gave the classifier's "
            "features; proof.json and ledger.json in the run folders."
        )
    notes += _paper_note(rows, baseline, recipe) + _backbone_note(tree, rows, shown) + _teacher_note(tree, rows)
    notes += _protocol_notes(tree) + _shared_images_notes(tree) + _averaged_classes_notes(tree)
    return tuple(notes)


def _looks_note(tree: RunTree) -> list[str]:
    if tree.looks is None:
        return []
    *others, last = map(str, tree.looks.counts)
    counts = f"{', '.join(others)} and {last}" if others else last
    return [
        f"Seeds were added where a verdict was open, and verdicts looked at after {counts} seeds. p values and "
        "intervals of differences allow for that: all looks together reject a true hypothesis in "
        f"{SIGNIFICANCE * 100:.0f} % of studies (alpha spending, {tree.looks.spending}); a difference is that of its "
        "last look."
    ]


def _image_note(shown: Sequence[Row | TunedRow]) -> list[str]:
    if not any(cell.image_interval for row in shown for cell in row.cells.values()):
        return []
    return [
        f"± images: half the width of the {_PERCENT} bootstrap interval over test images, the trained models held "
        "fixed: what other test images would change, and nothing of what another seed would."
    ]


def _verdict_notes(rows: Sequence[Row]) -> list[str]:
    cells = [cell for row in rows for cell in row.cells.values() if cell.difference and cell.difference.interval]
    if not cells:
        return []
    decided = f"{SIGNIFICANCE:g}".removeprefix("0")
    notes = [
        f"verdict: Δ differs where p Holm is at most {decided} (Welch's t test, paired from {LEAST_PAIRS} seeds in "
        "common on; Holm's correction over the rows of a metric). carries over: it differs in the direction of top-1; "
        "reverses: in the other; differs: it does, and the direction of top-1 is not known, or it is top-1 itself; "
        f"no difference: the {_PERCENT} interval lies within the margin in brackets; undecided: none of these, and "
        "behind the margin the seeds of both rows at which the same rules would decide in "
        f"{POWER * 100:.0f} % of studies, if Δ and its spread are as seen here."
    ]
    if any(_is_lopsided(cell.difference) for cell in cells if cell.difference):
        notes.append(
            "NOT ALIKE, seeds: some row has at most half as many seeds as the baseline, or the other way round. There "
            "Welch's test claims a difference in more than 5 % of studies without one (docs/simulations.md); train the "
            "missing seeds."
        )
    if any(cell.paper_verdict for cell in cells):
        notes.append(
            "beside the paper: same sign, where Δ differs in the direction of the paper's Δ; its size is compatible "
            f"where the {_PERCENT} interval holds the paper's Δ, else smaller or larger. opposite, no difference, "
            f"undecided as above, with half of the paper's Δ as the margin, at most {MARGIN:g} point; seeds: if the "
            "paper's Δ is the true one."
        )
    return notes


def _is_lopsided(difference: Difference) -> bool:
    """Whether the test takes much fewer seeds of one row than of the other."""
    return difference.test == WELCH and min(difference.n) > 1 and max(difference.n) >= 2 * min(difference.n)


def _metric_notes(shown: Sequence[Row | TunedRow]) -> list[str]:
    notes = [
        "mAP 07: average precision at 11 points, as VOC2007 has it; mAP area: under the whole curve, as VOC has had it "
        "since 2010. The paper does not say which one it means; its mAP stands beside the first.",
        "mIoU, pixAcc: whole images at one scale. The paper does not say whether Table 9 averages over scales, as the "
        "method that it follows does at evaluation.",
    ]
    if any(metric in row.cells for row in shown for metric in further_names()):
        notes.append(
            "AP, AP50, AP75: COCO's average precision, mean over IoU thresholds and at two of them; multi: predictions "
            "averaged over scales and flips. The paper stands beside none of them."
        )
    return notes


def _paper_note(rows: Sequence[Row], baseline: str, recipe: str) -> list[str]:
    here = [row for row in rows if row.paper_network]
    if not here:
        return [f"paper: {setting()}; Tables 8 and 9 have none of these rows."]
    if find_row(recipe, ""):
        note = f"paper: {setting()}; Tables 8 and 9, Δ against the paper's own row of the baseline's name."
    else:
        note = f'paper: {setting()}; Tables 8 and 9, without Δ because the paper has no row "{baseline}".'
    networks = sorted({row.network for row in here if row.network != row.paper_network})
    if networks:
        return [f"{note} The runs of {', '.join(networks)} say nothing about {setting()}, nor the paper about them."]
    return [f"{note} Comparable with these runs only where data and downstream protocol are the paper's."]


def _backbone_note(tree: RunTree, rows: Sequence[Row], shown: Sequence[Row | TunedRow]) -> list[str]:
    """A row of many transfers of one backbone does not sample the backbone's own training noise."""
    single = []
    sampled = {row.name for row in shown for metric, cell in row.cells.items() if metric != "top1" and cell.n > 1}
    runs = tree.rows()
    for row in rows:
        mine = runs[row.recipe, row.network]
        if row.name in sampled and single_backbone(mine):
            single.append(row.name)
    if not single:
        return []
    return [
        f"One trained backbone each: {', '.join(single)}. Their ± and verdicts cover the transfer's noise, not the "
        "training's."
    ]


def _teacher_note(tree: RunTree, rows: Sequence[Row]) -> list[str]:
    """Students of one and the same teacher, in all seeds, do not sample what another training of it would change."""
    runs = tree.rows()
    taught: dict[str, list[str]] = {}  # teacher -> rows
    for row in rows:
        students = [run for run in runs[row.recipe, row.network] if run.task == "classification"]
        teachers = {run.teacher for run in students}
        if len(students) > 1 and len(teachers) == 1 and (teacher := teachers.pop()):
            taught.setdefault(teacher, []).append(row.name)
    if not taught:
        return []
    said = "; ".join(f"{', '.join(names)} ({teacher:.12})" for teacher, names in taught.items())
    return [
        f"One teacher for all seeds: {said}. What another training of the teacher would change is noise that these "
        "seeds do not sample; ± and verdicts of these rows leave it out."
    ]


def _shared_images_notes(tree: RunTree) -> list[str]:
    most: dict[str, int] = {}
    for run in tree.finished:
        most[run.task] = max(run.shared_images, most.get(run.task, 0))
    return [
        f"SHARED IMAGES, {task}: {count} of the tested images were trained on, too, and the runs were told "
        "to accept that (--allow-shared-images). What they measure there is memory."
        for task, count in sorted(most.items())
        if count
    ]


def _averaged_classes_notes(tree: RunTree) -> list[str]:
    """Of each test set of segmentation, the classes that no row's mIoU averages, because its labels hold none of them.

    They are the same for all runs on it, so one run with results per image tells.
    """
    files: dict[str | None, Path] = {}
    for run in tree.finished:
        path = run.path.with_name(SINGLE_SCALE)
        if run.task == SEGMENTATION and run.fingerprint not in files and path.is_file():
            files[run.fingerprint] = path
    notes = []
    for path in files.values():
        evaluation = read_segmentations(path)
        absent = classes_without_labels(evaluation)
        if absent:
            others = len(absent) - _MOST_CLASSES
            names = ", ".join(absent[:_MOST_CLASSES]) + (f" and {others} more" if others > 0 else "")
            notes.append(
                f"mIoU averages the {len(evaluation.classes) - len(absent)} classes that the test labels hold, in all "
                f"rows; {len(absent)} have no test pixel: {names}."
            )
    return notes


def _protocol_notes(tree: RunTree) -> list[str]:
    protocols: dict[str, dict[str, None]] = {}
    for run in tree.finished:
        if run.tuned:
            task, hashed = f"{run.task}, tuned", f" (config {run.fixed_hash} without what was tuned)"
        else:
            task, hashed = run.task, f" (config {run.config_hash})" if run.config_hash else ""
        protocols.setdefault(task, {})[f"{run.protocol or 'unnamed'}{hashed}"] = None
    return [f"{task}: {', '.join(names)}." for task, names in sorted(protocols.items())]
