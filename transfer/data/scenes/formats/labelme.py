"""labelme's JSON beside each image: rectangles, outlines and circles, of which the box around them is taken.

https://github.com/wkentaro/labelme. A shape whose ``flags`` say ``difficult`` is an ignored object.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from backbones.data.folders.part_names import part_folders
from backbones.errors import UserError, not_none
from backbones.text_files import open_regular, parse_json, read_text
from transfer.data.faults import read_each
from transfer.data.scenes.formats.pairs import AnnotatedImage, part_of_pairs, size_of
from transfer.data.scenes.names import files_in, is_image
from transfer.data.scenes.scene import WHOLE, Box, Part, Scene, SceneFolder

WHAT = "images with labelme's JSON beside them"
LARGEST = 2**27  # bytes; the image itself may be in it
_BEGINNING = 4096
_LOOKED_AT = 20
_NO_AREA = ("point", "points", "line", "linestrip")


def recognise(root: Path) -> SceneFolder | None:
    """The folder as labelme's, or None."""
    places = {part: folder for part, folder in part_folders(root).items() if _has_labelme(folder)}
    if not places and _has_labelme(root):
        places = {WHOLE: root}
    return SceneFolder(root, WHAT, {part: _part(root, folder) for part, folder in places.items()}) if places else None


def _has_labelme(folder: Path) -> bool:
    candidates = (path for path in files_in(folder) if path.suffix.lower() == ".json")
    return any(is_labelme(path) for path in islice(candidates, _LOOKED_AT))


def is_labelme(path: Path) -> bool:
    """Whether a JSON file begins as labelme's do."""
    try:
        with open_regular(path) as stream:
            beginning = stream.read(_BEGINNING)
    except (OSError, UserError):
        return False
    return b'"shapes"' in beginning and b'"annotations"' not in beginning


def _part(root: Path, folder: Path) -> Part:
    files = files_in(folder)
    images = {path.stem: path for path in files if is_image(path)}
    described = {path.stem: path for path in files if path.suffix.lower() == ".json"}
    pairs = [AnnotatedImage(images.get(stem, path.with_suffix(".jpg")), path) for stem, path in described.items()]
    bare = sorted(set(images) - set(described))
    shown = ", ".join(bare[:10]) + (f" and {len(bare) - 10} more" if len(bare) > 10 else "")
    remarks = [f"{len(bare)} images in {folder} have no JSON and are passed over: {shown}"] if bare else []
    return part_of_pairs(root, pairs, read_scene, remarks=remarks)


def read_document(path: Path) -> dict[str, Any]:
    """labelme's document, with a list of shapes in it.

    Raises:
        UserError: It is none.
    """
    try:
        document = parse_json(read_text(path, LARGEST).removeprefix("\ufeff"), object_hook=_without_pixels)
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}); restore it") from None
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise UserError(f"{path} is not labelme's: it holds no list of shapes; move it away or export it anew")
    return document


def _without_pixels(value: dict[str, Any]) -> dict[str, Any]:
    value.pop("imageData", None)
    return value


def read_scene(root: Path, pair: AnnotatedImage) -> Scene:
    """One file of shapes with its image.

    Raises:
        UserError: It cannot be read; ``Faults`` where several shapes are wrong.
    """
    path = not_none(pair.annotation)
    document = read_document(path)
    boxes = read_each(root, path, "shape", document["shapes"], _box)
    sides = (document.get("imageWidth"), document.get("imageHeight"))
    recorded = all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides)
    size = (int(sides[0] or 0), int(sides[1] or 0)) if recorded else size_of(pair.image)
    return Scene(pair.image.relative_to(root).as_posix(), size, tuple(boxes), str(path))


def _box(shape: Any) -> Box:
    name, kind, points = outline(shape)
    flags = shape.get("flags")
    if kind == "circle":  # its centre and a point on it
        radius = math.dist(*points)
        points = [(points[0][0] + sign * radius, points[0][1] + sign * radius) for sign in (-1, 1)]
    xs, ys = zip(*points, strict=True)
    ignored = isinstance(flags, dict) and flags.get("difficult") is True
    return Box(min(xs), min(ys), max(xs), max(ys), name, ignored)


def outline(shape: Any) -> tuple[str, str, list[tuple[float, float]]]:
    """Class, kind and points of a shape that has an area.

    Raises:
        ValueError: It has none, or is no shape.
    """
    if not isinstance(shape, dict):
        raise ValueError("it is no shape; export the file anew")
    name, kind = shape.get("label"), shape.get("shape_type", "polygon")
    if not isinstance(name, str) or not name.strip():
        raise ValueError("it has no label; write its class")
    if kind in _NO_AREA or kind not in ("rectangle", "polygon", "circle"):
        raise ValueError(f"a {str(kind)[:40]} has no box; draw a rectangle or a polygon, or remove it")
    points = list(_points(shape.get("points")))
    least = 3 if kind == "polygon" else 2
    if len(points) < least or (kind == "circle" and len(points) > 2):
        raise ValueError(f"a {kind} needs {least} points, and it has {len(points)}; draw it anew")
    return name.strip(), kind, points


def _points(listed: Any) -> Iterator[tuple[float, float]]:
    for point in listed if isinstance(listed, list) else [None]:
        values = point if isinstance(point, list) else []
        if len(values) != 2 or not all(isinstance(each, (int, float)) and abs(each) < 1e9 for each in values):
            raise ValueError("its points must be pairs of numbers; draw it anew")
        yield float(values[0]), float(values[1])
