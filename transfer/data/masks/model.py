"""A folder of images with masks, whatever its layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from transfer.data.masks.coding import VALUES, VOID, Colour, MaskCoding
from transfer.data.scenes.scene import TEST, VAL


class MaskPair(NamedTuple):
    """An image and its mask."""

    image: Path
    mask: Path


Parts = dict[str, list[MaskPair]]


@dataclass(frozen=True)
class MaskFolder:
    """A folder in a known layout.

    Attributes:
        root: The folder.
        what: Its layout, in words that follow "is".
        parts: ``train`` with ``val``, ``test`` or both; ``all`` where the data are not divided.
        classes: Their names in the order of the labels.
        coding: What pixels mean.
    """

    root: Path
    what: str
    parts: Mapping[str, list[MaskPair]]
    classes: tuple[str, ...]
    coding: MaskCoding

    @property
    def measured(self) -> str:
        """The part to measure on."""
        return VAL if VAL in self.parts or TEST not in self.parts else TEST


def values_of(count: int) -> MaskCoding:
    """A value for each class from 0 on, and 255 for void."""
    labels: dict[int | Colour | str, int] = {value: value for value in range(count)}
    return MaskCoding(VALUES, {**labels, VOID: VOID})
