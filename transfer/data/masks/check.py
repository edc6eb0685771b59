"""Check images and masks before a segmentation network trains on them, as ``transfer.data.index_png`` does."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path

from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.verification import FileStamp, content_fingerprint, remembered
from transfer.data.index_png import IndexPngSummary
from transfer.data.label_map import LabelCoding, refuse_unless_two_classes
from transfer.data.masks.choice import pairs_of
from transfer.data.masks.coding import VOID
from transfer.data.masks.counting import Stamped, counted, reading_arguments, stamped
from transfer.data.masks.model import MaskFolder


def check_masks(folder: MaskFolder, part: str, held_out: HeldOut | None = None) -> IndexPngSummary:
    """Check every image and mask of a part.

    Raises:
        UserError: There is no such part, or something is wrong: the message names the file at fault and the remedy.
            ``Faults`` has all of them.
    """
    found = stamped(folder, pairs_of(folder, part, held_out))
    compute = functools.partial(_check, folder, part, found)
    if found.faults:  # and then all that is not missing is looked at, too
        compute()
    drawn = {} if held_out is None else {"held out": list(held_out)}
    arguments = {**reading_arguments(folder), "part": part, "classes": list(folder.classes), **drawn}
    everything = [each for both in found.stamps for each in both]
    return remembered(IndexPngSummary, folder.root, everything, arguments, Path(__file__).parent, compute)


def mask_images(folder: MaskFolder, part: str, held_out: HeldOut | None = None) -> list[FileStamp]:
    """The images of a part, as far as they and their masks are there."""
    return [image for image, _ in stamped(folder, pairs_of(folder, part, held_out)).stamps]


def _check(folder: MaskFolder, part: str, found: Stamped) -> IndexPngSummary:
    total: Counter[int] = Counter()
    for each in counted(folder, found):
        total.update({int(label): count for label, count in each.items()})
    coding = LabelCoding(len(folder.classes), False, VOID)
    values = [total[value] for value in range(VOID + 1)]
    refuse_unless_two_classes(values, folder.classes, coding, f"the part {part} of {folder.root}")
    return IndexPngSummary(
        images=len(found.pairs),
        pixels={name: total[label] for label, name in enumerate(folder.classes)},
        unlabelled_share=total[VOID] / total.total(),
        fingerprint=content_fingerprint([each for both in found.stamps for each in both]),
    )
