"""CVAT's own XML: ``annotations.xml`` with all images, each with its boxes and outlines.

"CVAT for images 1.1", https://docs.cvat.ai/docs/manual/advanced/xml_format/. The images may be exported with it, into
``images``; a subset of CVAT's is a part where it is called as one. A box whose attribute ``difficult`` is true is
ignored.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from backbones.data.folders.part_names import part_of
from backbones.errors import UserError
from backbones.text_files import open_regular
from transfer.data.faults import Fault
from transfer.data.scenes.names import best_folder, relative_name
from transfer.data.scenes.scene import WHOLE, Box, Part, Reading, Scene, SceneFolder

WHAT = "CVAT's own export (annotations.xml)"
FILE = "annotations.xml"
LARGEST = 2**28  # bytes
_KINDS = ("box", "polygon")


def recognise(root: Path) -> SceneFolder | None:
    """The folder as CVAT's own export, or None.

    Raises:
        UserError: Its XML cannot be read, so that nobody knows its parts.
    """
    path = root / FILE
    if not path.is_file():
        return None
    subsets = {element.get("subset") or "" for element in _images(path)}
    parts = {part_of(subset) or WHOLE for subset in subsets}
    if WHOLE in parts and len(parts) > 1:
        others = sorted(subset for subset in subsets if part_of(subset) is None)
        named = ", ".join(sorted(parts - {WHOLE}))
        raise UserError(f"{path} has the subset {others[0]!r} beside {named}; call it train, val or test")
    return SceneFolder(root, WHAT, {part: Part((path,), partial(read, root, path, part)) for part in sorted(parts)})


def _images(path: Path) -> list[ElementTree.Element]:
    try:
        with open_regular(path) as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UserError(f"{path} has more than {LARGEST} bytes; export it in parts, or as COCO")
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
        raise UserError(f"{path} is not readable XML ({error}); export it anew") from None
    if root.tag != "annotations" or root.find("track") is not None:
        what = "annotations of a video" if root.tag == "annotations" else f"<{root.tag}>"
        raise UserError(f"{path} holds {what}; export 'CVAT for images 1.1', with the images")
    return root.findall("image")


def read(root: Path, path: Path, part: str) -> Reading:
    """The images of one part, with their boxes."""
    reading = Reading([])
    elements = [each for each in _images(path) if (part_of(each.get("subset") or "") or WHOLE) == part]
    names = [name for each in elements if (name := relative_name(each.get("name")))]
    subsets = dict.fromkeys(each.get("subset") or "" for each in elements)
    places = [root / "images" / subset for subset in subsets] + [root / "images", root]
    folder = best_folder(places, names)
    if folder is None:
        reading.faults.append(
            Fault(path, f"{path} names images, and the first are in none of {root}/images, {root}; export them, too")
        )
        return reading
    for element in elements:
        scene, wrong = _scene(root, folder, path, element)
        reading.faults.extend(Fault(path, f"{path}, image {str(element.get('name'))!r}: {text}") for text in wrong)
        if scene is not None:
            reading.scenes.append(scene)
    return reading


def _scene(root: Path, folder: Path, path: Path, element: ElementTree.Element) -> tuple[Scene | None, list[str]]:
    name = relative_name(element.get("name"))
    try:
        size = int(element.get("width", "")), int(element.get("height", ""))
    except ValueError:
        return None, ["width and height must be whole numbers; export it anew"]
    if name is None:
        return None, ["the name must lead into the folder of images"]
    wrong, boxes = [], []
    for number, each in enumerate([each for each in element if each.tag not in ("tag", "attribute")], start=1):
        try:
            boxes.append(_box(each))
        except ValueError as error:
            wrong.append(f"object {number} ({each.get('label')}): {error}")
    place = (folder / name).relative_to(root).as_posix()
    return Scene(place, size, tuple(boxes), f"{path}, image {name}"), wrong


def _box(element: ElementTree.Element) -> Box:
    name = (element.get("label") or "").strip()
    if not name:
        raise ValueError("it has no label; write its class")
    if element.tag not in _KINDS:
        raise ValueError(f"a {element.tag} has no box; draw a rectangle or a polygon, or remove it")
    if float(element.get("rotation") or 0) % 360 != 0:
        raise ValueError("it is rotated, and detectors here learn upright boxes; draw it anew")
    xs, ys = zip(*_points(element), strict=True)
    attributes = {each.get("name"): (each.text or "").strip().lower() for each in element.findall("attribute")}
    return Box(min(xs), min(ys), max(xs), max(ys), name, attributes.get("difficult") in ("true", "1"))


def _points(element: ElementTree.Element) -> Iterator[tuple[float, float]]:
    if element.tag == "box":
        texts = [f"{element.get(x)},{element.get(y)}" for x, y in (("xtl", "ytl"), ("xbr", "ybr"))]
    else:
        texts = (element.get("points") or "").split(";")
    for text in texts:
        try:
            x, y = map(float, text.split(","))
        except ValueError:
            raise ValueError(f"its corners must be numbers, not {text[:40]!r}; export it anew") from None
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError("its corners must be finite; export it anew")
        yield x, y
