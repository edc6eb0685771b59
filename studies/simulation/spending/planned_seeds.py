"""What a planned number of seeds is worth: rows undecided at three seeds, given the number that was planned for them.

Studies whose true differences are the paper's, or half of them, are judged by ``studies.comparison.judging``, as a
user's are. For each row that it leaves undecided, all rows of the study are given further seeds up to the number
planned, and the row is judged again: the seeds that there were stay in, as for a user who adds to a suite.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.comparison.cells import Cell, make_cell
from studies.comparison.judging import judge_and_plan
from studies.results.paper import PaperNumber
from studies.simulation.rule import compare_studies
from studies.simulation.truth import METRICS, ROWS, paper_differences, seed_noise
from studies.statistics.seeds import Seeds
from studies.statistics.verdict import UNDECIDED

SEEDS = 3
# Share of the paper's differences that is true, standard deviation over seeds.
CASES = ((1.0, 0.3), (1.0, 0.5), (0.5, 0.3))
QUARTILES = (25, 50, 75)
Plan = tuple[int | None, bool]  # seeds, None where nobody can say; whether the row is decided with them
KINDS = {"as seen": "verdict", "the paper's": "paper_verdict"}  # the difference that a plan takes for true


def planned_table(studies: int) -> list[dict[str, Any]]:
    """A line for each of ``CASES`` and kind of plan; ``studies`` of the paper's mAP, and as many of its mIoU."""
    lines = []
    for share, sd in CASES:
        found = (study for metric in METRICS for study in _studies(metric, share, sd, studies))
        rows = [row for study in found for row in study]
        lines += [_line(share, sd, kind, [row[kind] for row in rows if kind in row]) for kind in KINDS]
    return lines


def _line(share: float, sd: float, kind: str, plans: list[Plan]) -> dict[str, Any]:
    known = [(seeds, decided) for seeds, decided in plans if seeds is not None]
    return {
        "true": share,
        "sd": sd,
        "plan": kind,
        "undecided": len(plans),
        "without a plan": len(plans) - len(known),
        "seeds": np.percentile([seeds for seeds, _ in known], QUARTILES).tolist() if known else [],
        "decided": float(np.mean([decided for _, decided in known])) if known else None,
    }


def _studies(metric: str, share: float, sd: float, studies: int) -> Iterator[list[dict[str, Plan]]]:
    """Of each study its rows, and of each that is undecided its plans by kind."""
    paper, random = paper_differences(metric), np.random.default_rng(0)
    level = np.concatenate([[0.0], share * paper])[:, None]
    for values in level + sd * seed_noise(random, studies, SEEDS):
        cells = judged_cells(values, paper)
        found: list[dict[str, Plan]] = [{} for _ in range(ROWS)]
        for kind, field in KINDS.items():
            verdicts = [getattr(cell, field) for cell in cells]
            for place, verdict in enumerate(verdicts):
                if verdict.outcome == UNDECIDED:
                    seeds = verdict.seeds_needed
                    further = None if seeds is None else level + sd * seed_noise(random, 1, seeds - SEEDS)[0]
                    decided = further is not None and _decided(np.hstack([values, further]), place, verdict.margin)
                    found[place][kind] = seeds, decided
        yield found


def judged_cells(values: NDArray, paper: NDArray) -> list[Cell]:
    """The cells of a study of (1 + rows, seeds) values, the baseline's first; ``paper``: (rows,) differences."""
    by_seed: list[Seeds] = [dict(enumerate(row)) for row in values.tolist()]
    base, *rows = by_seed
    cells = [
        {"metric": make_cell(row, base, PaperNumber(0.0, theirs))}
        for row, theirs in zip(rows, paper.tolist(), strict=True)
    ]
    return [each["metric"] for each in judge_and_plan(cells)]


def _decided(values: NDArray, place: int, margin: float) -> bool:
    return bool(compare_studies(values[None, 1:], values[None, :1]).decides(margin)[0, place])
