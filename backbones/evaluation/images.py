"""The images that classifiers are tested on: a part of the data, or what their training held out of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backbones.bundles.bundle import read_bundle
from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.folder_parts import open_images, open_parts
from backbones.data.folders.image_split import ImageFolder
from backbones.data.folders.part_names import VAL
from backbones.data.folders.recognition import recognise_labelled
from backbones.errors import UserError
from backbones.external.sources import parse_weight_source
from backbones.runs.record import read_record


class Drawn(NamedTuple):
    """What a training drew from its data, and the fingerprint of what came of it."""

    held_out: HeldOut
    fraction: float | None
    fingerprint: object


def images_to_test(words: Sequence[Path], option: str, root: Path) -> tuple[ImageFolder, HeldOut | None]:
    """The images of a folder, divided as the training of the classifiers divided it where it has no ``val``.

    Args:
        words: What the classifiers' weights are called, see ``backbones.external.sources``.
        option: What they were given with, for messages.
        root: The folder.

    Returns:
        The images, and what was held out of them.

    Raises:
        UserError: As ``open_images``; or trainings held out different parts, or a part of other data than these, of
            which nobody knows what they were trained on.
    """
    found = recognise_labelled(root)
    drawn = {} if found is None or VAL in found.parts else {word: _drawn(word, option) for word in words}
    told = [(word, each) for word, each in drawn.items() if each is not None]
    if not told:
        return open_images(root), None
    (first, (held_out, fraction, _)), *_ = told
    data = open_parts(root, held_out, fraction)
    for word, each in told:
        if each.fingerprint != data.fingerprint:
            what = "with another --split or --fraction than" if word != first else "on other images than those of"
            raise UserError(
                f"{option} {word} was trained {what} {first if word != first else root}, a part of them held out: a "
                "test on images that it was trained on would measure memory; give --data with a part of its own (val)"
            )
    print(
        f"note: {root} has no val; tested on what the training held out (--split {held_out.share:g}, seed "
        f"{held_out.seed})",
        flush=True,
    )
    return data, held_out


def _drawn(word: Path, option: str) -> Drawn | None:
    path = parse_weight_source(word, option).path
    if path is None:
        return None
    training = read_bundle(path).training
    record = path.parent / "run.json"
    if "split" not in training and os.path.isfile(record):  # runs from before bundles said so
        training = read_record(record).get("data") or {}
    split: Mapping[str, Any] | None = training.get("split")
    if split is None:
        return None
    if split.get("share") is None or split.get("seed") is None:
        raise UserError(f"{record} does not say which share of the images was held out, and by which seed; restore it")
    return Drawn(HeldOut(split["share"], split["seed"]), training.get("fraction"), training.get("fingerprint"))
