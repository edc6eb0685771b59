"""All rows of a comparison judged together: p values corrected for their number, verdicts, and what would decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from backbones.errors import not_none
from studies.comparison.cells import Cell
from studies.statistics.power import Assumed, seeds_needed
from studies.statistics.seeds import Difference, holm, t_interval
from studies.statistics.verdict import UNDECIDED, Verdict, direction_of, judge, judge_beside

TOP1 = "top1"


def judge_and_plan(
    rows: Sequence[Mapping[str, Cell]], directions: Mapping[int, int] | None = None
) -> list[dict[str, Cell]]:
    """``judge_rows``, and of what is undecided how many seeds would decide it."""
    judged = judge_rows(rows, directions)
    for metric in judged[0] if judged else ():
        _plan(judged, metric)
    return judged


def judge_rows(
    rows: Sequence[Mapping[str, Cell]], directions: Mapping[int, int] | None = None
) -> list[dict[str, Cell]]:
    """The cells of all rows by metric, with corrected p values, simultaneous intervals and both verdicts.

    Args:
        rows: Metric to cell, the same metrics in every row.
        directions: Place of a row to the direction that its top-1 is known to differ in; those of other rows follow
            from their top-1 itself, and are not known where it is not among the metrics.
    """
    judged = [dict(cells) for cells in rows]
    metrics = list(judged[0]) if judged else []
    for metric in metrics:
        _correct([cells for cells in judged if _p_value(cells[metric]) is not None], metric)
    known = [direction_of(cells[TOP1].difference) if TOP1 in cells else 0 for cells in judged]
    for place, direction in (directions or {}).items():
        known[place] = direction
    for metric in metrics:
        for cells, direction in zip(judged, known, strict=True):
            cells[metric] = _with_verdicts(cells[metric], 0 if metric == TOP1 else direction)
    return judged


def _p_value(cell: Cell) -> float | None:
    return cell.difference.p_value if cell.difference else None


def _correct(tested: Sequence[dict[str, Cell]], metric: str) -> None:
    differences = [not_none(cells[metric].difference) for cells in tested]
    adjusted = holm([not_none(difference.p_value) for difference in differences])
    for cells, difference, p_value in zip(tested, differences, adjusted, strict=True):
        error, freedom = not_none(difference.error), not_none(difference.freedom)
        ends = t_interval(difference.value, error, freedom, len(tested), difference.error_rate)
        difference = replace(difference, adjusted_p=p_value, simultaneous=ends)
        cells[metric] = replace(cells[metric], difference=difference)


def _with_verdicts(cell: Cell, direction: int) -> Cell:
    return replace(
        cell,
        verdict=judge(cell.difference, direction),
        paper_verdict=judge_beside(cell.difference, _paper_difference(cell)),
    )


def _paper_difference(cell: Cell) -> float | None:
    return cell.paper.difference if cell.paper else None


def _plan(judged: Sequence[dict[str, Cell]], metric: str) -> None:
    """How many seeds would decide what is undecided: if the differences are those seen here, and if the paper's."""
    tested = [cells for cells in judged if _p_value(cells[metric]) is not None]
    cells_of = [cells[metric] for cells in tested]
    differences = [not_none(cell.difference) for cell in cells_of]
    seen = [
        _assumed(difference, difference.value, not_none(cell.verdict))
        for difference, cell in zip(differences, cells_of, strict=True)
    ]
    theirs = [
        _assumed(difference, not_none(_paper_difference(cell)), cell.paper_verdict) if cell.paper_verdict else own
        for difference, cell, own in zip(differences, cells_of, seen, strict=True)
    ]
    for field, assumed in (("verdict", seen), ("paper_verdict", theirs)):
        verdicts = [getattr(cell, field) for cell in cells_of]
        wanted = [place for place, found in enumerate(verdicts) if found and found.outcome == UNDECIDED]
        for place, count in seeds_needed(assumed, wanted).items():
            verdict = replace(verdicts[place], seeds_needed=count)
            tested[place][metric] = replace(tested[place][metric], **{field: verdict})


def _assumed(difference: Difference, true: float, verdict: Verdict) -> Assumed:
    row_sd, baseline_sd, paired_sd = not_none(difference.spread)
    return Assumed(true, row_sd, baseline_sd, paired_sd, verdict.margin, min(difference.n), difference.error_rate)
