"""Section 6.2's drops: on ADE20K, smoothing, distillation and mixup take away what cosine decay had gained.

Against B-standard every row of Table 9 is a gain, so the finding shows only against the row with cosine decay alone,
the best of that table. These differences have a verdict like any other, and for Holm's correction a family of their
own per metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studies.comparison.cells import Cell, measure_cell
from studies.comparison.judging import TOP1, judge_and_plan
from studies.results.paper import find_row, paper_number, recipe_order
from studies.results.replicates import Noise
from studies.results.run_record import Run
from studies.statistics.looks import Looks

REFERENCE = "d-cosine"
METRICS = ("miou", "pixel_accuracy")


@dataclass(frozen=True)
class DropRow:
    """A row of the comparison once more; the differences in ``cells`` (by ``METRICS``) are from ``reference``."""

    name: str
    reference: str
    cells: dict[str, Cell]


def drop_rows(
    rows: Mapping[str, Sequence[Run]], baseline: str, noise: Noise, looks: Looks | None = None
) -> tuple[DropRow, ...]:
    """The rows that the paper has below cosine decay, where both were measured.

    Args:
        rows: Finished runs by the name of their row.
        baseline: The comparison's; when that is the row with cosine decay, the comparison shows the drops itself.
        noise: Of those runs.
        looks: Of a study that adds seeds where a verdict is open.
    """
    references = {runs[0].network: name for name, runs in rows.items() if runs[0].recipe == REFERENCE}
    later = recipe_order()[recipe_order().index(REFERENCE) + 1 :]
    found = []
    for name, runs in rows.items():
        reference = references.get(runs[0].network)
        if runs[0].recipe in later and reference not in (None, baseline):
            cells = {metric: _cell(metric, runs, rows[reference], noise, looks) for metric in (TOP1, *METRICS)}
            if any(cells[metric].difference for metric in METRICS):
                found.append(DropRow(name, reference, cells))
    judged = judge_and_plan([row.cells for row in found])
    return tuple(
        DropRow(row.name, row.reference, {metric: cells[metric] for metric in METRICS})
        for row, cells in zip(found, judged, strict=True)
    )


def _cell(metric: str, runs: Sequence[Run], reference: Sequence[Run], noise: Noise, looks: Looks | None) -> Cell:
    paper = paper_number(metric, find_row(*runs[0].row), find_row(*reference[0].row))
    return measure_cell(metric, runs, reference, noise, paper=paper, looks=looks)
