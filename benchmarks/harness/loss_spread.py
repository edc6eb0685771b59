"""How far apart the losses of two trainings are, beside how far apart chance alone puts them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence


def loss_figures(losses: Mapping[str, Sequence[float]], reference: str) -> dict[str, dict[str, float]]:
    """Lines for the document, by contender: mean losses, and mean distances from the reference's at the same step.

    Args:
        losses: Of the first steps, by contender.
        reference: The contender that the others are compared with.

    Raises:
        ValueError: One has no losses: nothing would be compared.
    """
    steps = min(map(len, losses.values()))
    if steps == 0:
        raise ValueError(f"a contender without losses among {', '.join(losses)}")
    figures = {}
    for name, each in losses.items():
        figures[name] = {f"mean of the first {steps} losses": statistics.fmean(each[:steps])}
        if name != reference:
            pairs = zip(each[:steps], losses[reference][:steps], strict=True)
            figures[name][f"mean distance from {reference}"] = statistics.fmean(abs(a - b) for a, b in pairs)
    return figures
