"""A share of a data set, drawn from a seed so that every group of images gives its part of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class HeldOut(NamedTuple):
    """The share of the training images that is measured on instead, from 0 to 1, and the seed that it is drawn from."""

    share: float
    seed: int


def share_size(images: int, share: float) -> int:
    """How many of them ``draw_share`` draws."""
    return max(math.floor(images * share + 1e-9), min(images, 1))


def draw_share(names: Sequence[str], groups: Sequence[Hashable], share: float, seed: int) -> NDArray:
    """Which images belong to a share: true for floor(n x share) of them, but for one at least.

    Each group gives its part, to within one image. Within a group the names decide, hashed with the seed: the draw
    depends neither on the order of the images nor on how many processes there are, and of two shares with one seed,
    the smaller lies mostly in the larger.

    Args:
        names: Of n images, no two alike.
        groups: Of each the group that it belongs to: its class, for one.
        share: Above 0 and below 1.
        seed: Another one draws others.

    Returns:
        (n,), bool.
    """
    sizes: dict[Hashable, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    digests = [hashlib.sha256(f"{seed}/{name}".encode(errors="surrogateescape")).digest() for name in names]
    # Small groups first: whatever they round away is made up by those that can spare it.
    order = sorted(range(len(names)), key=lambda place: (sizes[groups[place]], str(groups[place]), digests[place]))
    chosen = np.zeros(len(names), bool)
    for rank, place in enumerate(order):
        chosen[place] = math.floor((rank + 1) * share + 1e-9) > math.floor(rank * share + 1e-9)
    if order and not chosen.any():
        chosen[order[0]] = True
    return chosen
