"""A card of the front."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from studies.statistics.verdict import Verdict


@dataclass(frozen=True)
class Card:
    """One metric of the headline's row.

    Attributes:
        task: Which, or the classification that the backbone comes from.
        metric: Its name.
        value: The difference from the baseline in points; None where nothing is compared.
        certainty: Interval and seeds, in words.
        verdict: On the difference; None where nothing is compared.
        outcome: The verdict in words: of top-1, which is asked for nothing else, "gain" or "loss" where it differs.
        source: Of the verdict in ``comparison.json``.
        paper: The paper's difference and the verdict beside it; empty where it has none.
        reason: Why nothing is compared; empty where something is.
        unit: Of the value.
    """

    task: str
    metric: str
    value: Markup | None
    certainty: Markup
    verdict: Verdict | None
    outcome: str
    source: str
    paper: Markup
    reason: str = ""
    unit: str = "points"
