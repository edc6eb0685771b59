"""The pixels of each mask by label, of the files that are there and good; what is good is remembered."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backbones.data.folders.verification import FileStamp, checks_fingerprint, stamp
from backbones.errors import MachineError, UserError
from transfer.data.faults import Fault, Faults, texts
from transfer.data.good_files import GoodFiles, check_files
from transfer.data.images import verify_image
from transfer.data.masks.coding import MaskCoding, read_mask
from transfer.data.masks.model import MaskFolder, MaskPair
from transfer.data.nearby import Neighbours
from transfer.data.scenes.index import reading_code

Counts = dict[str, int]  # by label, in decimal


class Stamped(NamedTuple):
    """Pairs whose two files are there, the stamps of both, and a fault for each other pair."""

    pairs: list[MaskPair]
    stamps: list[tuple[FileStamp, FileStamp]]
    faults: list[Fault]


def stamped(folder: MaskFolder, pairs: Sequence[MaskPair]) -> Stamped:
    """See which of some pairs of a folder are there."""
    neighbours = Neighbours()
    found = Stamped([], [], [])
    for pair in pairs:
        image, mask = (
            f"{path} does not exist; {neighbours.remedy(path, 'add it, or remove the other of the two')}"
            for path in pair
        )
        try:
            found.stamps.append((stamp(folder.root, pair.image, image), stamp(folder.root, pair.mask, mask)))
            found.pairs.append(pair)
        except MachineError:
            raise
        except UserError as error:
            found.faults.append(Fault(pair.mask, str(error)))
    return found


def counted(folder: MaskFolder, found: Stamped) -> list[Counts]:
    """Pixels of each mask by label; images and masks that are known to be good are not opened again.

    Raises:
        Faults: A file is missing or wrong.
    """
    memory = GoodFiles(folder.root, reading_arguments(folder))
    check = functools.partial(_count_pair, coding=folder.coding)
    counts, wrong = check_files(check, found.pairs, found.stamps, memory, f"checking {folder.root}")
    if faults := [*found.faults, *(Fault(pair.mask, text) for pair, text in wrong)]:
        raise Faults(folder.root, faults)
    return counts


def reading_arguments(folder: MaskFolder) -> dict[str, Any]:
    """What decides how a mask is read: of another reading, nothing is remembered."""
    return {
        "format": folder.what,
        "code": [reading_code(), checks_fingerprint([*Path(__file__).parent.glob("*.py")])],
        "coding": [folder.coding.kind, sorted(map(repr, folder.coding.labels.items())), folder.coding.background],
    }


def _count_pair(pair: MaskPair, coding: MaskCoding) -> Counts:
    """Pixels of a mask by label."""
    found: list[Fault] = []
    size, pixels = None, {}
    try:
        size = verify_image(pair.image)
    except MachineError:
        raise
    except UserError as error:
        found.append(Fault(pair.image, str(error)))
    try:
        labels = read_mask(pair.mask, coding, size)
        if size is not None and labels.shape[::-1] != size:
            raise UserError(
                f"{pair.mask} is {labels.shape[1]} x {labels.shape[0]}, but {pair.image} is {size[0]} x {size[1]}; a "
                "mask needs one pixel per image pixel (when resizing masks, use nearest-neighbour)"
            )
        values, counts = np.unique(labels, return_counts=True)
        pixels = {str(value): int(count) for value, count in zip(values, counts, strict=True)}
    except MachineError:
        raise
    except UserError as error:
        found += [Fault(pair.mask, text) for text in texts(error)]
    if found:
        raise Faults(pair.image.parent, found)
    return pixels
