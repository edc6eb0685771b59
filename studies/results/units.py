"""What counts as one observation of a row: a training, however many transfers it was given.

Transfers of one training share its luck, so they are no further samples of what a recipe does: their mean is one value.
S. H. Hurlbert, Pseudoreplication and the design of ecological field experiments, Ecological Monographs 54 (1984), has
the argument, docs/statistics.md what it means here. Two kinds of rows have no training to count:

- A row whose transfers all start from one trained backbone (public weights, or somebody's only training). There each
  transfer is a unit, and the notes say that the intervals cover the transfer's noise alone.
- A random trunk is drawn anew for every transfer, from the transfer's seed: each is a unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backbones.recipes.recipe import RANDOM_RECIPE
from studies.results.run_record import Run

Unit = int | None  # the training's seed; None: weights from outside, whose seed nobody noted


def group_by_unit(row: Sequence[Run], measured: Sequence[Run]) -> dict[Unit, list[Run]]:
    """Runs by the unit that they are observations of, in ascending order, the unknown seed last.

    Args:
        row: All finished runs of the row, which decide whether it has more than one training.
        measured: Those of them, all of one task and one arm, that are to be grouped.
    """
    single = single_backbone(row)
    groups: dict[Unit, list[Run]] = {}
    for run in measured:
        groups.setdefault(_unit(run, single), []).append(run)
    return {unit: groups[unit] for unit in sorted(groups, key=lambda unit: (unit is None, unit))}


def single_backbone(row: Sequence[Run]) -> bool:
    """Whether all transfers of a row, of both tasks, start from one and the same trained backbone."""
    return len({run.backbone["sha256"] for run in row if run.backbone.get("sha256")}) == 1


def _unit(run: Run, single: bool) -> Unit:
    if run.task == "classification" or single:
        return run.seed
    trained = run.backbone.get("sha256") is not None
    seed = run.backbone.get("seed")  # of a random trunk, the seed that it was drawn from
    return seed if trained or seed is not None else run.seed


def unit_notes(rows: Mapping[str, Sequence[Run]]) -> list[str]:
    """How to read n where some training has several transfers; ``rows`` by the name that the comparison shows."""
    several = [name for name, row in rows.items() if not single_backbone(row) and _has_several_transfers(row)]
    if not several:
        return []
    note = (
        f"Several transfers of each training: {', '.join(several)}. The mean over the transfers of a training is one "
        "value, and n counts trainings."
    )
    if any(run.recipe == RANDOM_RECIPE for row in rows.values() for run in row):
        note += " A random trunk is drawn anew for each transfer, so there n counts transfers."
    return [note]


def _has_several_transfers(row: Sequence[Run]) -> bool:
    places = {(run.task, run.arm) for run in row}
    grouped = (group_by_unit(row, [run for run in row if (run.task, run.arm) == place]) for place in places)
    return any(len(runs) > 1 for groups in grouped for runs in groups.values())
