"""What a network expects of its input: part of its weights, and carried with them."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any

CHANNEL_ORDERS = ("RGB", "BGR")
# Of images of 8 bits per channel; beyond, normalised images would overflow.
MOST, LEAST_STD = 100_000, 1e-3
LARGEST_SIDE = 4096  # pixels; a batch of one of such images takes gigabytes in a network
LONGEST_WORD = 100


@dataclass(frozen=True)
class InputContract:
    """The images a trunk was trained on; it travels with the weights, because it is part of what they compute.

    ``mean`` and ``std`` are on the 0-255 scale, in ``channel_order``, which is "RGB" or "BGR"; sizes are in pixels
    (side of the square crop).

    Raises:
        ValueError: A value that no image can be normalised by.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channel_order: str
    train_size: int
    eval_size: int
    interpolation: str

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(_is_number(value) and abs(value) <= MOST for value in values):
                said = f"not three numbers, one per channel, from -{MOST} to {MOST}"
                raise ValueError(f"{name} is {reprlib.repr(values)}, {said}")
        if min(self.std) < LEAST_STD:
            raise ValueError(f"std is {self.std!r}, not three numbers above 0 (from {LEAST_STD})")
        if self.channel_order not in CHANNEL_ORDERS:
            raise ValueError(f"channel_order is {reprlib.repr(self.channel_order)}, not {' or '.join(CHANNEL_ORDERS)}")
        for name, size in (("train_size", self.train_size), ("eval_size", self.eval_size)):
            if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= LARGEST_SIDE:
                raise ValueError(f"{name} is {reprlib.repr(size)}, not a number of pixels (1 to {LARGEST_SIDE})")
        if not isinstance(self.interpolation, str) or not 0 < len(self.interpolation) <= LONGEST_WORD:
            raise ValueError(f"interpolation is {reprlib.repr(self.interpolation)}, not a name")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# Section 2.1, step 6.
IMAGENET_MEAN = (123.68, 116.779, 103.939)


IMAGENET_STD = (58.393, 57.12, 57.375)


def imagenet_contract(image_size: int) -> InputContract:
    """The paper's normalisation (Section 2.1) at a crop size in pixels."""
    return InputContract(IMAGENET_MEAN, IMAGENET_STD, "RGB", image_size, image_size, "bilinear")
