"""What was read of a part, kept in the cache as plain arrays until a file of the data set changes.

Reading COCO's JSON takes half a minute; every process of a training reads the same. Nothing else of a data set is
copied: images and annotations stay where they are.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from backbones.data.folders.verification import FileStamp, checks_fingerprint, stamp
from backbones.errors import UserError
from backbones.files import atomic_path, cache_dir
from transfer.data.faults import Fault
from transfer.data.scenes.scene import Box, Part, Reading, Scene

_LONGEST_SIDE = 2**31  # pixels
_ARRAYS = ("texts", "images", "boxes", "names", "ignored")


def indexed(root: Path, name: str, part: Part) -> Reading:
    """``part.read()``, from the cache where its files are as they were. What has faults is read again each time."""
    stamps, irregular = part_stamps(root, part)
    if irregular:  # reading a pipe would never end
        return Reading([], faults=irregular)
    document = json.dumps([reading_code(), str(root.resolve()), name, [list(each) for each in stamps]])
    path = cache_dir() / "scenes" / f"{hashlib.sha256(document.encode()).hexdigest()}.npz"
    known = _load(path)
    if known is not None:
        return known
    reading = _with_sizes_that_can_be(part.read())
    if not reading.faults:
        try:
            _save(path, reading)
        except OSError as error:
            warnings.warn(f"the next start will read {root} again: {error}", stacklevel=3)
    return reading


def _with_sizes_that_can_be(reading: Reading) -> Reading:
    """The reading without scenes of a size that no image has, and no array holds; with a fault for each."""
    possible = [scene for scene in reading.scenes if max(map(abs, scene.size)) <= _LONGEST_SIDE]
    if len(possible) == len(reading.scenes):
        return reading
    faults = [
        Fault(Path(scene.image), f"{scene.source} records a size that no image has, beyond {_LONGEST_SIDE}; correct it")
        for scene in reading.scenes
        if max(map(abs, scene.size)) > _LONGEST_SIDE
    ]
    return replace(reading, scenes=possible, faults=[*reading.faults, *faults])


def part_stamps(root: Path, part: Part) -> tuple[list[FileStamp], list[Fault]]:
    """Stamps of all files that decide what is read, and a fault for each that is there and cannot be read.

    A missing one has an empty stamp: whether it matters is for the reading to say.
    """
    stamps, faults = [], []
    for path in part.files:
        try:
            stamps.append(stamp(root, path, ""))
        except UserError as error:
            stamps.append(FileStamp(path.relative_to(root).as_posix(), -1, 0))
            faults += [Fault(path, str(error))] if str(error) else []
    return stamps, faults


@cache
def reading_code() -> str:
    """Digest of all code that reads and checks scenes: what other code has read is another reading."""
    folder = Path(__file__).parent
    return checks_fingerprint([*folder.glob("*.py"), *folder.glob("formats/*.py"), *folder.parent.glob("*.py")])


def _save(path: Path, reading: Reading) -> None:
    boxes = [box for scene in reading.scenes for box in scene.boxes]
    names = list(dict.fromkeys(box.name for box in boxes))
    numbers = {name: number for number, name in enumerate(names)}
    texts = {
        "names": names,
        "classes": reading.classes,
        "remarks": reading.remarks,
        "files": [[scene.image, scene.source] for scene in reading.scenes],
    }
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            texts=np.frombuffer(json.dumps(texts).encode(), np.uint8),
            images=np.array([[*each.size, len(each.boxes)] for each in reading.scenes], np.int64).reshape(-1, 3),
            boxes=np.array([box[:4] for box in boxes], np.float64).reshape(-1, 4),
            names=np.array([numbers[box.name] for box in boxes], np.int64),
            ignored=np.array([box.ignored for box in boxes], bool),
        )


def _load(path: Path) -> Reading | None:
    """The reading that a file of the cache holds; None if there is none, or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _ARRAYS}
        texts = json.loads(arrays["texts"].tobytes())
        classes = texts["classes"]
        return Reading(
            list(_scenes(texts, arrays)), None if classes is None else tuple(classes), remarks=texts["remarks"]
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError, EOFError, BadZipFile):
        return None


def _scenes(texts: dict[str, Any], arrays: dict[str, np.ndarray]) -> Iterator[Scene]:
    names = texts["names"]
    rows = zip(arrays["boxes"].tolist(), arrays["names"].tolist(), arrays["ignored"].tolist(), strict=True)
    for (image, source), (width, height, count) in zip(texts["files"], arrays["images"].tolist(), strict=True):
        boxes = tuple(
            Box(x1, y1, x2, y2, names[number], ignored) for (x1, y1, x2, y2), number, ignored in islice(rows, count)
        )
        yield Scene(image, (width, height), boxes, source)
