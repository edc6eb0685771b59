"""Seeds of several transfers of one training: a training's own seed for the first, and steps from it for the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backbones.errors import UserError
from studies.statistics.looks import TRANSFER_STEP


def transfer_seed(training_seed: int, number: int) -> int:
    """Seed of a training's transfer, counted from 1: s, s + 1000, s + 2000, ...

    The first has the training's seed, so that asking for more transfers leaves those that are done as they are.
    """
    return training_seed + TRANSFER_STEP * (number - 1)


def check_transfer_seeds(path: Path, row: str, seeds: Sequence[int], transfers: int) -> None:
    """Check that no two transfers of a row would have the same seed.

    Args:
        path: The suite's file, for messages.
        row: Name of the row.
        seeds: Of its trainings.
        transfers: Of each training.

    Raises:
        UserError: Two would.
    """
    taken: dict[int, tuple[int, int]] = {}
    for seed in seeds:
        for number in range(1, transfers + 1):
            own = transfer_seed(seed, number)
            if own in taken:
                other, earlier = taken[own]
                raise UserError(
                    f"{path}: {row} has the seeds {other} and {seed} with {transfers} transfers per training: transfer "
                    f"{earlier} of the one and transfer {number} of the other would both have the seed {own}, because "
                    f"transfers of a training are {TRANSFER_STEP} apart; take seeds below {TRANSFER_STEP}"
                )
            taken[own] = seed, number
