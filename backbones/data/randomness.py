"""Random numbers that depend on what they are for, and on nothing else.

Every draw comes from a generator keyed by the run's seed and by its purpose and place (epoch, image, batch). So the
numbers do not depend on the number of workers, on the order in which they run, or on where a run was interrupted.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What the numbers are for; part of the key, so that equal epochs and indices do not share a stream."""

    ORDER = 0
    CROP = 1
    COLOR = 2
    STEP = 3
    MIXUP = 4


def keyed_generator(purpose: Purpose, seed: int, *place: int) -> np.random.Generator:
    """Generator for one purpose at one place: (epoch,), (epoch, image index), (epoch, batch) or (step,)."""
    return np.random.default_rng((purpose, seed, *place))


def step_seed(seed: int, step: int, part: int) -> int:
    """Seed for torch's own generators (dropout) in one part of the batch of one training step."""
    return int(keyed_generator(Purpose.STEP, seed, step, part).integers(2**63))
