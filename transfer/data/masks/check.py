"""Check images and masks before a segmentation network trains on them, as ``transfer.data.index_png`` does."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backbones.data.folders.verification import FileStamp, checks_fingerprint, content_fingerprint, remembered, stamp
from backbones.errors import UserError
from transfer.data.faults import Fault, Faults, texts
from transfer.data.good_files import GoodFiles, check_files
from transfer.data.images import verify_image
from transfer.data.index_png import IndexPngSummary
from transfer.data.label_map import LabelCoding, refuse_unless_two_classes
from transfer.data.masks.coding import VOID, MaskCoding, read_mask
from transfer.data.masks.folder import MaskFolder, MaskPair
from transfer.data.nearby import Neighbours
from transfer.data.scenes.index import reading_code


def check_masks(folder: MaskFolder, part: str) -> IndexPngSummary:
    """Check every image and mask of a part.

    Raises:
        UserError: There is no such part, or something is wrong: the message names the file at fault and the remedy.
            ``Faults`` has all of them.
    """
    pairs, stamps, faults = _stamped(folder, part)
    arguments: dict[str, Any] = {
        "format": folder.what,
        "code": [reading_code(), checks_fingerprint([*Path(__file__).parent.glob("*.py")])],
        "coding": [folder.coding.kind, sorted(map(repr, folder.coding.labels.items())), folder.coding.background],
    }
    memory = GoodFiles(folder.root, arguments)
    compute = functools.partial(_check, folder, part, pairs, stamps, faults, memory)
    if faults:  # and then all that is not missing is looked at, too
        compute()
    arguments |= {"part": part, "classes": list(folder.classes)}
    everything = [each for both in stamps for each in both]
    return remembered(IndexPngSummary, folder.root, everything, arguments, Path(__file__).parent, compute)


def mask_images(folder: MaskFolder, part: str) -> list[FileStamp]:
    """The images of a part, as far as they and their masks are there."""
    return [image for image, _ in _stamped(folder, part)[1]]


def _stamped(folder: MaskFolder, part: str) -> tuple[list[MaskPair], list[tuple[FileStamp, FileStamp]], list[Fault]]:
    if not folder.parts.get(part):
        there = ", ".join(folder.parts) or "none"
        raise UserError(f"{folder.root} ({folder.what}) has no images in the part {part!r}; there is {there}")
    neighbours = Neighbours()
    pairs, stamps, faults = [], [], []
    for pair in folder.parts[part]:
        image, mask = (
            f"{path} does not exist; {neighbours.remedy(path, 'add it, or remove the other of the two')}"
            for path in pair
        )
        try:
            stamps.append((stamp(folder.root, pair.image, image), stamp(folder.root, pair.mask, mask)))
            pairs.append(pair)
        except UserError as error:
            faults.append(Fault(pair.mask, str(error)))
    return pairs, stamps, faults


def _check(
    folder: MaskFolder,
    part: str,
    pairs: Sequence[MaskPair],
    stamps: Sequence[tuple[FileStamp, FileStamp]],
    faults: Sequence[Fault],
    memory: GoodFiles,
) -> IndexPngSummary:
    check = functools.partial(_check_pair, coding=folder.coding)
    counted, wrong = check_files(check, pairs, stamps, memory, f"checking {folder.root}")
    if found := [*faults, *(Fault(pair.mask, text) for pair, text in wrong)]:
        raise Faults(folder.root, found)
    total: Counter[int] = Counter()
    for each in counted:
        total.update({int(label): count for label, count in each.items()})
    coding = LabelCoding(len(folder.classes), False, VOID)
    values = [total[value] for value in range(VOID + 1)]
    refuse_unless_two_classes(values, folder.classes, coding, f"the part {part} of {folder.root}")
    return IndexPngSummary(
        images=len(pairs),
        pixels={name: total[label] for label, name in enumerate(folder.classes)},
        unlabelled_share=total[VOID] / total.total(),
        fingerprint=content_fingerprint([each for both in stamps for each in both]),
    )


def _check_pair(pair: MaskPair, coding: MaskCoding) -> dict[str, int]:
    """Pixels of a mask by label."""
    found: list[Fault] = []
    size, pixels = None, {}
    try:
        size = verify_image(pair.image)
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
    except UserError as error:
        found += [Fault(pair.mask, text) for text in texts(error)]
    if found:
        raise Faults(pair.image.parent, found)
    return pixels
