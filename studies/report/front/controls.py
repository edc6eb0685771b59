"""Rows that the front's figure leaves out: trunks that were never pretrained, which are on another scale."""

from __future__ import annotations

from studies.comparison.compare import Comparison
from studies.report.front.finding import asked_places
from studies.report.words import joined, label, signed
from transfer.catalogue import metric_names, questions


def controls(comparison: Comparison) -> str:
    """ "random \u221231.2 mAP 07 and \u221220.1 mIoU"; nothing where all compared rows are drawn."""
    asked = asked_places(comparison)
    told = []
    for place, row in enumerate(comparison.rows):
        gains = [
            f"{signed(difference.value, 1)} {metric_names()[metric]}"
            for metric in questions().values()
            if place not in asked and (difference := row.cells[metric].difference) is not None
        ]
        if gains:
            told.append(f"{label(row, comparison.rows)} {joined(gains)}")
    return "; ".join(told)
