"""The page of results: what the committed studies found, in words that follow from their verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy import optimize, stats

from backbones.reporting.markdown import MISSING, markdown_table
from backbones.reporting.numbers import plain, signed
from benchmarks.evidence.rows import Found, noise, read_found
from studies.statistics.power import POWER
from studies.statistics.verdict import CARRIES_OVER, DIFFERS, MARGIN, NO_DIFFERENCE, REVERSES

STUDY, INSTRUMENTS = "real-weights", "instruments.json"
METRICS = {"voc07_map": "mAP (VOC07)", "miou": "mIoU"}
FIGURES = {"seeds": "seeds.svg", "differences": "differences.svg", "top1": "top1.svg"}

TEMPLATE = Path(__file__).with_name("page.md")


def page(folder: Path) -> str:
    """The page of a folder of results.

    Args:
        folder: It holds ``real-weights/comparison.json`` and ``instruments.json``.
    """
    found = {metric: read_found(folder / STUDY, metric) for metric in METRICS}
    instruments = json.loads((folder / INSTRUMENTS).read_text(encoding="utf-8"))
    return TEMPLATE.read_text(encoding="utf-8").format(
        short="\n".join(f"- {line}" for line in in_short(found)),
        study=STUDY,
        hardware=instruments["hardware"],
        tables="\n\n".join(_values(METRICS[metric], rows) for metric, rows in found.items()),
        margin=MARGIN,
        differences="\n\n".join(_differences(METRICS[metric], rows) for metric, rows in found.items()),
        order="\n".join(f"- {_order(METRICS[metric], rows)}" for metric, rows in found.items()),
        noise=_noise(found),
        instruments=_instruments(instruments["runs"]),
    )


def in_short(found: dict[str, list[Found]]) -> list[str]:
    """A sentence for each row and metric that differs, is the same, or is open."""
    shown = ((metric, row) for metric, rows in found.items() for row in rows if row.difference is not None)
    return [_sentence(METRICS[metric], row) for metric, row in shown]


def _sentence(metric: str, row: Found) -> str:
    assert row.difference is not None
    size = f"{abs(row.difference):.1f} points of {metric}"
    way = f"{size} {'more' if row.difference > 0 else 'less'} than lite0"
    if row.verdict in (CARRIES_OVER, REVERSES, DIFFERS):
        order = {CARRIES_OVER: ", as top-1 has it", REVERSES: ", against the order of top-1", DIFFERS: ""}[row.verdict]
        return f"**{row.name}**: {way}{order}. Decided."
    if row.verdict == NO_DIFFERENCE:
        return f"**{row.name}**: no difference in {metric} beyond {MARGIN:g} point. Decided."
    seeds = f"; if it is that large, {row.more_seeds} seeds would decide it" if row.more_seeds else ""
    return f"**{row.name}**: {way}, which is **undecided** at {_count(len(row.values))}{seeds}."


def _count(seeds: int) -> str:
    return "one seed" if seeds == 1 else f"{seeds} seeds"


def _values(metric: str, rows: Sequence[Found]) -> str:
    lines = [
        [row.name, plain(row.mean), plain(row.sd), str(len(row.values)), " ".join(plain(each) for each in row.values)]
        for row in rows
    ]
    return markdown_table([metric, "mean", "sd", "seeds", "each"], lines)


def _differences(metric: str, rows: Sequence[Found]) -> str:
    lines = [
        [
            row.name,
            signed(row.difference),
            f"{signed(row.interval[0])} to {signed(row.interval[1])}" if row.interval else MISSING,
            row.verdict or MISSING,
            str(row.more_seeds or MISSING),
        ]
        for row in rows
        if row.difference is not None
    ]
    return markdown_table([metric, "difference", "95 % interval", "verdict", "seeds that would decide"], lines)


def _order(metric: str, rows: Sequence[Found]) -> str:
    known = [row for row in rows if row.top1 is not None]
    if len(known) < 2:
        return f"{metric}: there are no two rows of known top-1."
    by_top1 = sorted(known, key=lambda row: row.top1 or 0.0)
    same = [row.name for row in known] == [row.name for row in by_top1]
    decided = all(row.verdict in (CARRIES_OVER, REVERSES, DIFFERS) for row in known if row.difference is not None)
    means = ", ".join(f"{row.name} {row.mean:.1f}" for row in by_top1)
    order = "the means have the order of top-1" if same else "the means do not have the order of top-1"
    steps = "every step from lite0 is decided" if decided else "not every step from lite0 is decided"
    return f"{metric}: {order} ({means}), and {steps}."


def _noise(found: dict[str, list[Found]]) -> str:
    lines = [
        [METRICS[metric], f"{sd:.2f}", *(f"{_detectable(sd, seeds):.1f}" for seeds in (3, 5, 10, 20))]
        for metric, rows in found.items()
        if (sd := noise(rows)) is not None
    ]
    header = ["metric", "sd over seeds, points", *(f"{seeds} seeds" for seeds in (3, 5, 10, 20))]
    words = (
        "The standard deviation over seeds, pooled over the rows, and the difference between two rows, in points, that "
        "80 % of studies with so many seeds each find (two-sided t test at 5 %, no correction for several rows):"
    )
    return f"{words}\n\n{markdown_table(header, lines)}"


def _detectable(sd: float, seeds: int) -> float:
    """The difference of two means of ``seeds`` values each that a t test at 5 % finds in 80 % of studies."""
    freedom = 2 * seeds - 2
    critical = stats.t.ppf(0.975, freedom)

    def missing(noncentrality: float) -> float:
        found = stats.nct.sf(critical, freedom, noncentrality) + stats.nct.cdf(-critical, freedom, noncentrality)
        return float(found) - POWER

    return float(optimize.brentq(missing, 0.5, 8.0)) * sd * (2 / seeds) ** 0.5


def _instruments(runs: Sequence[dict[str, Any]]) -> str:
    lines = [[run["label"], str(run["updates"]), f"{run['seconds']:.0f}", plain(run["value"])] for run in runs]
    return markdown_table(["instrument", "updates", "seconds", "mAP or mIoU, %"], lines)
