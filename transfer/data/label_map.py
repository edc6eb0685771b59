"""One label map, and what its values mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backbones.data.decoding import load_entirely
from backbones.errors import UserError
from backbones.image_files import open_image
from backbones.machine.lacks import blame_machine
from transfer.data.faults import MOST_NAMES, Fault, Faults

_MMSEG_IGNORE = 255  # what mmseg turns label 0 into, and what it pads with
_PNG_BIT_DEPTH_OFFSET = 24  # signature 8, chunk head 8, width 4, height 4


@dataclass(frozen=True)
class LabelCoding:
    """How a label value names a class: ``first`` is the value of the first class, ``ignored`` values name none."""

    class_count: int
    reduce_zero_label: bool
    ignore_index: int

    @property
    def first(self) -> int:
        return int(self.reduce_zero_label)

    @property
    def ignored(self) -> tuple[int, ...]:
        return (0, _MMSEG_IGNORE) if self.reduce_zero_label else (self.ignore_index,)

    def allows(self, value: int) -> bool:
        return self.first <= value < self.first + self.class_count or value in self.ignored

    def check(self) -> None:
        """Refuse more classes than there are values, and values with two meanings.

        Raises:
            UserError: See above.
        """
        if self.reduce_zero_label and self.ignore_index != _MMSEG_IGNORE:
            raise UserError(
                f"reduce_zero_label=True turns label 0 into {_MMSEG_IGNORE}, so ignore_index must be {_MMSEG_IGNORE}, "
                f"not {self.ignore_index}"
            )
        taken = range(self.first, self.first + self.class_count)
        if not taken or any(value in taken for value in (*self.ignored, _MMSEG_IGNORE)):
            raise UserError(
                f"{self.class_count} classes do not fit: they take label values {taken.start} to {taken.stop - 1}, but "
                f"{' and '.join(map(str, sorted({*self.ignored, _MMSEG_IGNORE})))} mean unlabelled; give a list of 1 "
                f"to {_MMSEG_IGNORE - self.first} classes and an ignore_index outside it"
            )

    def describe(self) -> str:
        last = self.first + self.class_count - 1
        ignored = " and ".join(map(str, self.ignored))
        return f"{self.first} to {last} for the {self.class_count} classes, {ignored} for unlabelled"


def check_label_map(path: Path, image: Path, size: tuple[int, int] | None, coding: LabelCoding) -> dict[str, int]:
    """How many pixels of a label map have each value that occurs, by the value in decimal.

    Args:
        path: The label map.
        image: Its image, for messages.
        size: (width, height) of the image in pixels; None where it has none, and all else is checked.
        coding: What values mean.

    Raises:
        UserError: Something is wrong with it; ``Faults`` where it is more than one thing.
    """
    try:
        with open_image(path) as label:
            refuse_wrong_format(label, path)
            load_entirely(label, path)
            label_size, histogram = label.size, label.histogram()
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged bytes
        blame_machine(error, f"{path} cannot be read")
        raise UserError(f"{path} is not a readable PNG ({error}); restore it") from None
    found = []
    if size is not None and label_size != size:
        found.append(
            f"{path} is {label_size[0]} x {label_size[1]}, but {image} is {size[0]} x {size[1]}; a label "
            "map needs one pixel per image pixel (when resizing label maps, use nearest-neighbour)"
        )
    pixels = {value: count for value, count in enumerate(histogram) if count}
    found += _values_out_of_range(path, pixels, coding)
    if found:
        raise Faults(path.parent, [Fault(path, text) for text in found])
    return {str(value): count for value, count in pixels.items()}


def _values_out_of_range(path: Path, pixels: Mapping[int, int], coding: LabelCoding) -> list[str]:
    """One line for the first value that means nothing, with the others of the same map."""
    wrong = [value for value in pixels if not coding.allows(value)]
    if not wrong:
        return []
    value, *others = wrong
    more = f", and {', '.join(map(str, others[:MOST_NAMES]))}{', ...' * (len(others) > MOST_NAMES)}" if others else ""
    return [
        f"{path} has label value {value} ({pixels[value]} pixels){more}; allowed are {coding.describe()}. "
        f"{_other_setting(wrong, coding)}"
    ]


def refuse_unless_two_classes(total: Sequence[int], classes: Sequence[str], coding: LabelCoding, split: str) -> None:
    """Where one class is all there is, a segmentor that answers with it is always right and has learnt nothing.

    Args:
        total: Pixels of a split by value, (256,).
        classes: Their names, in the order of the values.
        coding: What values mean.
        split: The label maps, for messages.

    Raises:
        UserError: Fewer than two classes have pixels.
    """
    of_classes = total[coding.first : coding.first + len(classes)]
    labelled = [name for name, count in zip(classes, of_classes, strict=True) if count]
    if not labelled:
        raise UserError(
            f"no label map of {split} has a labelled pixel: all are {' or '.join(map(str, coding.ignored))}; check "
            "that these are the label maps, and the reduce_zero_label setting"
        )
    if len(labelled) == 1:
        raise UserError(
            f"the label maps of {split} hold {labelled[0]!r} alone of {len(classes)} classes, "
            f"and pixels without a label: whatever is predicted would be right. The values are {coding.describe()}; "
            f"give a second class its own value ({_MMSEG_IGNORE} names none), or correct split or class list"
        )


def refuse_labels_from_zero(total: np.ndarray, coding: LabelCoding, folder: Path) -> None:
    """Labels 0 to K-1 with 255 for ignore are all legal values under ``reduce_zero_label``, each off by one class."""
    if coding.reduce_zero_label and total[0] and total[_MMSEG_IGNORE] and not total[coding.class_count]:
        raise UserError(
            f"the label maps of {folder} hold 0 and {_MMSEG_IGNORE} but never {coding.class_count}, the last class: "
            "they seem to count classes from 0, so set reduce_zero_label=False. If 0 does mean unlabelled, rewrite "
            f"{_MMSEG_IGNORE} as 0"
        )


def refuse_wrong_format(label: Image.Image, path: Path) -> None:
    remedy = "save label maps as 8-bit PNG with one channel (gray or palette) holding the class index"
    if label.format != "PNG":
        raise UserError(f"{path} is a {label.format} file, whose values may not be exact; {remedy}")
    if label.mode not in ("L", "P"):
        raise UserError(f"{path} has pixel type {label.mode}; {remedy}")
    with path.open("rb") as stream:
        bit_depth = stream.read(_PNG_BIT_DEPTH_OFFSET + 1)[_PNG_BIT_DEPTH_OFFSET]
    if label.mode == "L" and bit_depth != 8:  # a decoder spreads 0..15 over 0..255; palette indices stay as they are
        raise UserError(f"{path} has {bit_depth}-bit gray values, which decoders stretch to 8 bits; {remedy}")


def _other_setting(values: Sequence[int], coding: LabelCoding) -> str:
    """What values out of range may be. Void comes first: taken for coding, it would shift every class by one."""
    other = LabelCoding(coding.class_count, not coding.reduce_zero_label, _MMSEG_IGNORE)
    value = values[0] if len(values) == 1 else "one of them"
    void = f"If {value} is void, no class of its own, write {coding.ignored[-1]} for it"
    meaning = f"reduce_zero_label={other.reduce_zero_label} would mean {other.describe()}"
    if all(map(other.allows, values)):
        return f"{void}. Else: {meaning}, which admits {values[0]}: is that how all your labels are coded?"
    excluded = next(value for value in values if not other.allows(value))
    return f"{void}; {meaning}, which does not admit {excluded} either: else correct label map or class list"
