"""What the notes of a comparison say: how to read its numbers, and what they do not tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from transfer.cells import FURTHER_NAMES
from transfer.paper import find_row, setting
from transfer.results import RunTree
from transfer.statistics import CONFIDENCE, SIGNIFICANCE
from transfer.tuned import TunedRow, TunedTask
from transfer.verdict import LARGEST_MARGIN

if TYPE_CHECKING:
    from transfer.compare import Row

_PERCENT = f"{CONFIDENCE * 100:.0f} %"


def reading_notes(
    tree: RunTree, rows: Sequence[Row], tuned: Sequence[TunedTask], baseline: str, recipe: str
) -> tuple[str, ...]:
    """All that these rows need; ``baseline`` is the row's name, ``recipe`` its recipe in the paper."""
    shown = [*rows, *(row for task in tuned for row in task.rows)]
    notes = []
    if any(row.name == baseline for row in rows):
        notes.append(f'Δ: difference from the row "{baseline}" in points, paired by seed.')
    if any(cell.n > 1 for row in shown for cell in row.cells.values()):
        notes.append(
            f"± seeds: half the width of the {_PERCENT} Student-t interval of the mean over seeds; n: seeds, and "
            "under Δ those that both rows have (0: none, so Δ is the difference of the means). n=1, no interval."
        )
    else:
        notes.append("n=1, no interval: one seed per row does not tell a difference from noise.")
    notes += _image_note(shown) + _verdict_notes(rows) + _metric_notes(shown)
    if any(run.task != "classification" for run in tree.finished):
        notes.append(
            "proof: in every transfer all tensors of the backbone arrived in the built model and gave the classifier's "
            "features; proof.json and ledger.json in the run folders."
        )
    notes += _paper_note(rows, baseline, recipe) + _backbone_note(tree, rows, shown) + _teacher_note(tree, rows)
    notes += _protocol_notes(tree)
    return tuple(notes)


def _image_note(shown: Sequence[Row | TunedRow]) -> list[str]:
    if not any(cell.image_interval for row in shown for cell in row.cells.values()):
        return []
    return [
        f"± images: half the width of the {_PERCENT} bootstrap interval over test images, the trained models held "
        "fixed: what other test images would change, and nothing of what another seed would."
    ]


def _verdict_notes(rows: Sequence[Row]) -> list[str]:
    judged = [row for row in rows for cell in row.cells.values() if cell.verdict and cell.difference.pairs > 1]
    if not judged:
        return []
    networks = ", ".join(sorted({row.network for row in judged}))
    return [
        f"verdict: whether the sign of the paper's Δ appears here, on {networks} and these data, and nothing about "
        f"{setting()}. reproduced, opposite: paired t test over seeds, p at most {SIGNIFICANCE} after Holm's "
        f"correction over the rows of the metric; no difference: the {_PERCENT} interval is within half the paper's "
        f"Δ, at most {LARGEST_MARGIN:g} point, of 0. n needed: seeds at which the interval, its spread as it is, could "
        "not hold both 0 and the paper's Δ."
    ]


def _metric_notes(shown: Sequence[Row | TunedRow]) -> list[str]:
    notes = [
        "mAP 07: average precision at 11 points, as VOC2007 has it; mAP area: under the whole curve, as VOC has had it "
        "since 2010. The paper does not say which one it means; its mAP stands beside the first.",
        "mIoU, pixAcc: whole images at one scale. The paper does not say whether Table 9 averages over scales, as the "
        "method that it follows does at evaluation.",
    ]
    if any(metric in row.cells for row in shown for metric in FURTHER_NAMES):
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
        backbones = {run.backbone["sha256"] for run in mine if run.backbone.get("sha256")}
        if len(backbones) == 1 and row.name in sampled:
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


def _protocol_notes(tree: RunTree) -> list[str]:
    protocols: dict[str, dict[str, None]] = {}
    for run in tree.finished:
        if run.tuned:
            task, hashed = f"{run.task}, tuned", f" (config {run.fixed_hash} without what was tuned)"
        else:
            task, hashed = run.task, f" (config {run.config_hash})" if run.config_hash else ""
        protocols.setdefault(task, {})[f"{run.protocol or 'unnamed'}{hashed}"] = None
    return [f"{task}: {', '.join(names)}." for task, names in sorted(protocols.items())]
