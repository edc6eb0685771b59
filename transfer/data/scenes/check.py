"""Check the scenes of a part before a detector trains on them, as ``transfer.data.voc`` checks a VOCdevkit."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.verification import FileStamp, content_fingerprint, remembered, stamp
from backbones.errors import UserError
from transfer.data.faults import Fault, Faults
from transfer.data.good_files import GoodFiles, check_files
from transfer.data.images import verify_image
from transfer.data.nearby import Neighbours
from transfer.data.scenes.choice import scenes_of
from transfer.data.scenes.index import part_stamps, reading_code
from transfer.data.scenes.scene import Box, Reading, Scene, SceneFolder
from transfer.data.voc_annotation import shown_class

SLACK = 1.0  # pixels that a box may reach beyond its image; formats with shares of a side round
_LEAST = 1e-3  # pixels; a box without area makes the loss infinite


@dataclass(frozen=True)
class SceneSummary:
    """Counts of a checked part; ``objects`` includes ignored ones, ``fingerprint`` covers names, sizes and boxes."""

    images: int
    objects: dict[str, int]
    ignored: dict[str, int]
    images_without_objects: int
    fingerprint: str


def check_scenes(
    folder: SceneFolder, part: str, classes: Sequence[str], held_out: HeldOut | None = None
) -> SceneSummary:
    """Check every image and box of a part.

    Raises:
        UserError: Something is wrong: the message names the file at fault and the remedy. ``Faults`` has all of them.
    """
    reading = scenes_of(folder, part, held_out)
    faults = list(reading.faults)
    scenes, stamps = _stamped(folder.root, reading, faults)
    files = [each for other in folder.parts.values() for each in part_stamps(folder.root, other)[0]]
    memory = GoodFiles(folder.root, {"format": "image"})
    compute = functools.partial(_check, folder.root, scenes, stamps, tuple(classes), faults, memory)
    if faults:  # and then all that is not missing is looked at, too
        compute()
    arguments: dict[str, Any] = {
        "format": folder.what,
        "code": reading_code(),
        "classes": list(classes),
        "part": [part, list(held_out or ())],
    }
    everything = [*files, *stamps]
    return remembered(SceneSummary, folder.root, everything, arguments, Path(__file__).parent, compute)


def scene_images(folder: SceneFolder, part: str, held_out: HeldOut | None = None) -> list[FileStamp]:
    """The images of a part, as far as they are there, in the order of the data."""
    return _stamped(folder.root, scenes_of(folder, part, held_out), [])[1]


def clipped(box: Box, size: tuple[int, int]) -> Box:
    """A box whose overhang of a rounding error is cut off at the edge of an image of (width, height)."""
    low = (max(box.x1, 0.0), max(box.y1, 0.0))
    high = (min(box.x2, float(size[0])), min(box.y2, float(size[1])))
    return Box(*low, *high, box.name, box.ignored)


def _stamped(root: Path, reading: Reading, faults: list[Fault]) -> tuple[list[Scene], list[FileStamp]]:
    """The scenes whose images are there, and the stamps of those; others become faults."""
    neighbours = Neighbours()
    scenes, stamps = [], []
    for scene in reading.scenes:
        image = root / scene.image
        if image.exists():
            missing = ""
        else:
            remedy = neighbours.remedy(image, "add it, or drop its annotation")
            missing = f"{scene.source} is of {image}, which does not exist; {remedy}"
        try:
            stamps.append(stamp(root, image, missing))
            scenes.append(scene)
        except UserError as error:
            faults.append(Fault(image, str(error)))
    return scenes, stamps


def _check(
    root: Path,
    scenes: Sequence[Scene],
    stamps: Sequence[FileStamp],
    classes: tuple[str, ...],
    faults: Sequence[Fault],
    memory: GoodFiles,
) -> SceneSummary:
    images = [root / scene.image for scene in scenes]
    sizes, wrong = check_files(verify_image, images, [(each,) for each in stamps], memory, f"checking {root}")
    found = [*faults, *(Fault(path, text) for path, text in wrong)]
    for scene, size in zip(scenes, sizes, strict=True):
        found += _wrong_scene(scene, None if size is None else tuple(size), classes)
    if found:
        raise Faults(root, found)
    if not scenes:
        raise UserError(f"{root} has no image in this part; add some, or name another folder")
    objects = Counter(box.name for scene in scenes for box in scene.boxes)
    ignored = Counter(box.name for scene in scenes for box in scene.boxes if box.ignored)
    if objects.total() == ignored.total():
        raise UserError(
            f"no image of {root} in this part has an object that counts (crowds and difficult ones do not); annotate "
            "some"
        )
    return SceneSummary(
        images=len(scenes),
        objects={name: objects[name] for name in classes},
        ignored={name: ignored[name] for name in classes},
        images_without_objects=sum(not scene.boxes for scene in scenes),
        fingerprint=_fingerprint(stamps, scenes),
    )


def _fingerprint(stamps: Sequence[FileStamp], scenes: Sequence[Scene]) -> str:
    """Over images and what is in them: annotations may lie in a file that holds other parts, too."""
    content = [
        FileStamp(repr([each.name, *scene.boxes]), each.size, 0) for each, scene in zip(stamps, scenes, strict=True)
    ]
    return content_fingerprint(content)


def _wrong_scene(scene: Scene, size: tuple[int, int] | None, classes: Sequence[str]) -> Iterator[Fault]:
    if size is not None and size != scene.size:
        yield Fault(
            Path(scene.image),
            f"{scene.source} records a size of {scene.size[0]} x {scene.size[1]}, but {scene.image} is {size[0]} x "
            f"{size[1]}: the boxes were made on another version of the image; pair them again or correct the size",
        )
    for number, box in enumerate(scene.boxes, start=1):
        where = f"{scene.source}, object {number} ({box.name})"
        for wrong in _wrong_box(box, size or scene.size, classes):
            yield Fault(Path(scene.image), f"{where} {wrong}")


def _wrong_box(box: Box, size: tuple[int, int], classes: Sequence[str]) -> Iterator[str]:
    if box.name not in classes:
        yield (
            f"has the unknown class {shown_class(box.name, classes)}; the classes are {', '.join(classes)}. Correct "
            "the name or give your own list with --classes"
        )
    for axis, low, high, limit in (("x", box.x1, box.x2, size[0]), ("y", box.y1, box.y2, size[1])):
        if not (math.isfinite(low) and math.isfinite(high)):
            yield f"has corners that are not finite ({low}, {high}); correct them"
        elif low < -SLACK or high > limit + SLACK:
            yield (
                f"reaches from {axis} = {low:g} to {high:g}, outside the image, whose {axis} runs from 0 to {limit}; "
                "clip the box or pair it with the right image"
            )
        elif min(high, limit) - max(low, 0) < _LEAST:
            yield f"reaches from {axis} = {low:g} to {high:g} and has no area; correct the box or remove it"
