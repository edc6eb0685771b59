"""What formats have in common that keep a file of annotations for each image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from backbones.data.folders.verification import check_each, refuse_irregular
from backbones.errors import UserError
from backbones.image_files import open_image
from transfer.data.faults import Fault, texts
from transfer.data.scenes.scene import Part, Reading, Scene


class AnnotatedImage(NamedTuple):
    """An image and the file of its annotations; None where having none means that nothing is in the picture."""

    image: Path
    annotation: Path | None


def part_of_pairs(
    root: Path,
    pairs: Sequence[AnnotatedImage],
    read: Callable[[Path, AnnotatedImage], Scene],
    classes: tuple[str, ...] | None = None,
    remarks: Iterable[str] = (),
) -> Part:
    """A part whose scenes are read one by one.

    Args:
        root: The data set's folder.
        pairs: In the order of the data.
        read: Gives the scene of a pair, or raises ``UserError``; a module's function, or a partial of one.
        classes: Their names in the order of their numbers, where the format has numbers.
        remarks: What is known before anything is read.
    """
    files = tuple(path for pair in pairs for path in pair if path is not None)
    return Part(files, partial(_read, root, pairs, read, classes, list(remarks)))


def _read(
    root: Path,
    pairs: Sequence[AnnotatedImage],
    read: Callable[[Path, AnnotatedImage], Scene],
    classes: tuple[str, ...] | None,
    remarks: list[str],
) -> Reading:
    found = check_each(partial(_attempt, root, read), pairs, f"reading {root}")
    scenes = [scene for scene, _ in found if scene is not None]
    faults = [
        Fault(pair.annotation or pair.image, text)
        for pair, (_, told) in zip(pairs, found, strict=True)
        for text in told
    ]
    return Reading(scenes, classes, faults, remarks)


def _attempt(
    root: Path, read: Callable[[Path, AnnotatedImage], Scene], pair: AnnotatedImage
) -> tuple[Scene | None, list[str]]:
    try:
        return read(root, pair), []
    except UserError as error:
        return None, list(texts(error))


def size_of(path: Path) -> tuple[int, int]:
    """(width, height) in pixels of an image, from its header.

    Raises:
        UserError: It is none that can be read.
    """
    try:
        refuse_irregular(path, path.stat().st_mode)
        with open_image(path) as image:
            return image.size
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; add it, or drop its annotation") from None
    except Exception as error:  # Pillow raises a dozen types on damaged headers
        raise UserError(f"{path} cannot be read as an image ({error}); restore it or remove it") from None
