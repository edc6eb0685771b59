"""Where the noise of a comparison comes from, as grids of text: trainings or transfers, and what rows share by seed."""

from __future__ import annotations

from collections.abc import Iterator

from backbones.reporting.numbers import plain, signed
from studies.comparison.compare import Comparison
from studies.report.forms.grids import Grid
from transfer.catalogue import further_names, metric_names

COMPONENTS_HEADER = ["metric", "sd of trainings", "df", "sd of transfers", "df"]
SEEDS_HEADER = ["metric", "rows", "seeds", "correlation"]


def noise_sections(comparison: Comparison) -> Iterator[tuple[str, Grid]]:
    """Titles and grids, as far as there is something to say.

    Correlations where a row shares three seeds with the baseline, components where a training has several transfers.
    """
    if any(each.value is not None for each in comparison.seed_correlations):
        yield f"correlation over seeds of the rows with {comparison.baseline}", _seeds_grid(comparison)
    if comparison.components:
        yield "noise of trainings and of transfers, standard deviations in points", _components_grid(comparison)


def _seeds_grid(comparison: Comparison) -> Grid:
    grid = [SEEDS_HEADER]
    for each in comparison.seed_correlations:
        value = signed(each.value)
        grid.append([(metric_names() | further_names())[each.metric], str(len(each.rows)), str(each.seeds), value])
    return grid


def _components_grid(comparison: Comparison) -> Grid:
    grid = [COMPONENTS_HEADER]
    for each in comparison.components:
        training = plain(each.training_sd)
        degrees = each.training_degrees, each.transfer_degrees
        grid.append(
            [
                (metric_names() | further_names())[each.metric],
                training,
                str(degrees[0]),
                plain(each.transfer_sd),
                str(degrees[1]),
            ]
        )
    return grid
