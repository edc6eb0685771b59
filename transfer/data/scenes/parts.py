"""Parts of a data set, by name or drawn by lot: the same rules for boxes and for masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from backbones.data.folders.drawing_lots import HeldOut, draw_share
from backbones.errors import UserError
from transfer.data.scenes.scene import TRAIN, VAL, WHOLE


class Divided(Protocol):
    """A folder in a known layout, with its parts by name."""

    @property
    def root(self) -> Path: ...
    @property
    def what(self) -> str: ...
    @property
    def parts(self) -> Mapping[str, Any]: ...


def held_out_of(section: Mapping[str, Any] | None) -> HeldOut | None:
    """The setting ``held_out`` of a configuration's data set: ``share`` and ``split_seed``."""
    return None if section is None else HeldOut(float(section["share"]), int(section["split_seed"]))


def require_part(folder: Divided, part: str) -> None:
    """See that a folder has a part.

    Raises:
        UserError: It has not; the message says how it gets one.
    """
    if folder.parts.get(part):
        return
    what = f"{folder.root} ({folder.what})"
    if part == VAL and set(folder.parts) <= {TRAIN, WHOLE}:
        raise UserError(
            f"{what} has no part to measure on; hold one out with --split 0.2, or add one (val, valid or test)"
        )
    if part == TRAIN and WHOLE in folder.parts:
        raise UserError(f"{what} is not divided into training and validation; hold a part out with --split 0.2")
    raise UserError(f"{what} has no part {part!r}; there is {', '.join(folder.parts) or 'none'}")


def part_to_divide(folder: Divided) -> str:
    """The part that a share is held out of, where a folder has none to measure on.

    Raises:
        UserError: It has one.
    """
    divided = [name for name in (TRAIN, WHOLE) if name in folder.parts]
    measured = sorted(set(folder.parts) - {TRAIN, WHOLE})
    if measured or not divided:
        raise UserError(
            f"--split: {folder.root} ({folder.what}) has the part {' and '.join(measured)} to measure on; leave it out"
        )
    return divided[0]


def draw_part(
    root: Path, part: str, names: Sequence[str], content: Sequence[Collection[str]], held_out: HeldOut
) -> NDArray:
    """Which images belong to ``train`` or to the part that is held out, so that each class gives its share of it.

    Args:
        root: For messages.
        part: ``train``, or another name for what is held out.
        names: Of n images, no two alike.
        content: Classes in each image; it counts by the rarest of them.
        held_out: The share and the seed.

    Returns:
        (n,), bool.

    Raises:
        UserError: There are too few images to divide.
    """
    counts = Counter(name for each in content for name in set(each))
    groups = [min(each, key=lambda name: (counts[name], name), default="") for each in content]
    chosen = draw_share(names, groups, *held_out)
    if part == TRAIN:
        chosen = ~chosen
    if not chosen.any() and len(names):
        raise UserError(f"--split {held_out.share}: {root} has too few images to divide")
    return chosen


def describe_use(train: str, test: str, held_out: HeldOut | None) -> str:
    """What is trained on and what is measured on, in words."""
    if held_out is None:
        return f"trains on its part {train}, measures on {test}"
    return f"measures on {held_out.share:g} of the images, held out by seed {held_out.seed}, and trains on the others"
