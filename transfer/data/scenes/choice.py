"""Which scenes of a folder are meant: those of a part, or of one side of a part that is divided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backbones.data.folders.drawing_lots import HeldOut, draw_share
from backbones.errors import UserError
from transfer.data.scenes.index import indexed
from transfer.data.scenes.scene import TRAIN, VAL, WHOLE, Reading, Scene, SceneFolder


def held_out_of(section: Mapping[str, Any] | None) -> HeldOut | None:
    """The setting ``held_out`` of a configuration's data set: ``share`` and ``split_seed``."""
    return None if section is None else HeldOut(float(section["share"]), int(section["split_seed"]))


def scenes_of(folder: SceneFolder, part: str, held_out: HeldOut | None = None) -> Reading:
    """What is read of a part: ``train``, ``val`` or ``test``.

    Raises:
        UserError: The folder has no such part, and ``held_out`` does not make it; or it has it, and ``held_out`` would.
    """
    if held_out is None:
        if part not in folder.parts:
            raise UserError(_no_such_part(folder, part))
        return indexed(folder.root, part, folder.parts[part])
    divided = [name for name in (TRAIN, WHOLE) if name in folder.parts]
    measured = sorted(set(folder.parts) - {TRAIN, WHOLE})
    if measured or not divided:
        raise UserError(
            f"--split: {folder.root} ({folder.what}) has the part {' and '.join(measured)} to measure on; leave it out"
        )
    reading = indexed(folder.root, divided[0], folder.parts[divided[0]])
    chosen = draw_share([scene.image for scene in reading.scenes], _groups(reading.scenes), *held_out)
    if part == TRAIN:
        chosen = ~chosen
    if not chosen.any() and reading.scenes:
        raise UserError(f"--split {held_out.share}: {folder.root} has too few images to divide")
    return replace(
        reading, scenes=[scene for scene, is_in in zip(reading.scenes, np.asarray(chosen), strict=True) if is_in]
    )


def _groups(scenes: list[Scene]) -> list[str]:
    """By the rarest class in an image, so that each class gives its share."""
    counts = Counter(name for scene in scenes for name in {box.name for box in scene.boxes})
    return [
        min((box.name for box in scene.boxes), key=lambda name: (counts[name], name), default="") for scene in scenes
    ]


def _no_such_part(folder: SceneFolder, part: str) -> str:
    what = f"{folder.root} ({folder.what})"
    if part == VAL and set(folder.parts) <= {TRAIN, WHOLE}:
        return f"{what} has no part to measure on; hold one out with --split 0.2, or add one (val, valid or test)"
    if part == TRAIN and WHOLE in folder.parts:
        return f"{what} is not divided into training and validation; hold a part out with --split 0.2"
    return f"{what} has no part {part!r}; there is {', '.join(folder.parts)}"
