"""An image and the objects in it: what every format of boxes is read into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from backbones.data.folders.part_names import TEST, TRAIN, VAL, WHOLE
from transfer.data.faults import Fault

__all__ = ["TEST", "TRAIN", "VAL", "WHOLE", "Box", "Part", "Reading", "Scene", "SceneFolder"]


class Box(NamedTuple):
    """An object. Corners are pixels from the image's upper left corner, and its width is ``x2 - x1``.

    ``ignored`` objects are neither learnt nor to be found: COCO's crowds, and what VOC calls difficult.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    name: str
    ignored: bool = False


class Scene(NamedTuple):
    """An image below the data set's folder (POSIX), its (width, height) in pixels as its annotation has it, and boxes.

    ``source`` is the file, or the place in one, that the boxes come from.
    """

    image: str
    size: tuple[int, int]
    boxes: tuple[Box, ...]
    source: str


@dataclass(frozen=True)
class Reading:
    """What the annotations of one part hold.

    Attributes:
        scenes: Those that could be read, in the order of the data.
        classes: Their names in the order of their numbers; None where the format has no list of them.
        faults: What is wrong, file by file.
        remarks: What was passed over, and why; forbids nothing.
    """

    scenes: list[Scene]
    classes: tuple[str, ...] | None = None
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """One part of a data set: the files that decide what is read of it, and how."""

    files: tuple[Path, ...]
    read: Callable[[], Reading]


@dataclass(frozen=True)
class SceneFolder:
    """A folder in a known format.

    Attributes:
        root: The folder.
        what: Its format, in words that follow "is".
        parts: ``train`` with ``val``, ``test`` or both; ``all`` where the data are not divided.
    """

    root: Path
    what: str
    parts: Mapping[str, Part]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The data's own names: in the order of their numbers, or in that of the alphabet where they have none."""
        from transfer.data.scenes.index import indexed  # which reads these parts

        readings = [indexed(self.root, name, part) for name, part in self.parts.items()]
        listed = [name for reading in readings for name in reading.classes or ()]
        if listed:
            return tuple(dict.fromkeys(listed))
        return tuple(sorted({box.name for reading in readings for scene in reading.scenes for box in scene.boxes}))
