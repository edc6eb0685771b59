"""COCO's JSON: one file for each part, with images, categories, and boxes as x, y, width and height.

https://cocodataset.org/#format-data. Polygons and masks in it are not kept. A crowd (``iscrowd``), whose outline is
run-length encoded, is an ignored object. Numbers of images and categories are names and no positions: they may have
gaps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from backbones.data.folders.part_names import part_folders, part_of
from backbones.errors import UserError
from backbones.text_files import open_regular, parse_json, read_text
from transfer.data.faults import MOST_NAMES, Fault
from transfer.data.scenes.names import best_folder, relative_name
from transfer.data.scenes.scene import WHOLE, Box, Part, Reading, Scene, SceneFolder

LARGEST = 2**30  # bytes; COCO's own has 4.7e8
_BEGINNING = 4096  # bytes, which tell what a JSON file is about
_KEYS = re.compile(rb'"(images|annotations|categories|licenses|info)"\s*:')
_OTHERS = ("captions", "image_info", "panoptic", "person_keypoints", "stuff")  # COCO's own files without objects
_LOOKED_AT = 20


class _Object(NamedTuple):
    """As much of an annotation as is used, before anything is known of it."""

    number: Any
    image: Any
    category: Any
    box: Any
    crowd: Any


def recognise(root: Path) -> SceneFolder | None:
    """The folder as COCO's JSON, or None.

    Raises:
        UserError: Two files are about one part.
    """
    files = [path for folder in (root / "annotations", root) for path in _files(folder)]
    inside = {part: path for part, folder in part_folders(root).items() for path in islice(_files(folder), 1)}
    found: dict[str, Path] = {}
    for path in files:
        part = part_of(path.stem) or WHOLE
        if part in found:
            raise UserError(
                f"{root} has two files of COCO's JSON for one part, {found[part].relative_to(root)} and "
                f"{path.relative_to(root)}; move the one away that is not meant"
            )
        found[part] = path
    found = found or inside
    if not found:
        return None
    parts = {part: Part((path,), partial(read, root, path)) for part, path in found.items()}
    return SceneFolder(root, "COCO's JSON", parts)


def _files(folder: Path) -> Iterator[Path]:
    """Those of COCO's kind in a folder; where files of instances lie beside others, only these."""
    candidates = [path for path in islice(sorted(folder.glob("*.json")), _LOOKED_AT) if _is_coco(path)]
    candidates = [path for path in candidates if not path.stem.startswith(_OTHERS)]
    instances = [path for path in candidates if path.stem.startswith("instances")]
    yield from instances or candidates


def _is_coco(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            beginning = stream.read(_BEGINNING)
    except (OSError, UserError):
        return False
    return beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and _KEYS.search(beginning) is not None


def read(root: Path, path: Path) -> Reading:
    """All images of one file, with their objects."""
    document, fault = _parse(path)
    if document is None:
        return Reading([], faults=[Fault(path, fault)])
    faults: list[Fault] = []
    names = _categories(path, document["categories"], faults)
    images = _images(path, document["images"], faults)
    folder = best_folder(_image_folders(root, path), [name for name, _ in images.values()])
    if folder is None:
        places = ", ".join(str(each) for each in dict.fromkeys(_image_folders(root, path)) if each.is_dir())
        faults.append(
            Fault(path, f"{path} names images, and the first of them are in none of {places}; put them there")
        )
        folder = root
    boxes, remarks = _objects(path, document["annotations"], names, images, faults)
    scenes = [
        Scene((folder / name).relative_to(root).as_posix(), size, tuple(boxes[number]), f"{path}, image {number!r}")
        for number, (name, size) in images.items()
    ]
    return Reading(scenes, tuple(names.values()), faults, remarks)


def _parse(path: Path) -> tuple[dict[str, list[Any]] | None, str]:
    remedy = "export it anew"
    try:
        document = parse_json(read_text(path, LARGEST).removeprefix("\ufeff"), object_hook=_slim)
    except (ValueError, OSError) as error:
        return None, f"{path} cannot be read as JSON ({error}); {remedy}"
    except UserError as error:
        return None, str(error)
    if not isinstance(document, dict):
        return None, f"{path} holds no images, annotations and categories; is it a list of detections? {remedy}"
    for key in ("images", "annotations", "categories"):
        if not isinstance(document.get(key), list) or not (document[key] or key == "annotations"):
            return None, f"{path}: {key!r} must be a list that is not empty, as COCO's format has it; {remedy}"
    return document, ""


def _slim(value: dict[str, Any]) -> Any:
    """Objects lose their outlines as soon as they are read: those are most of a file, and nine tenths of the memory."""
    if "image_id" not in value:
        return value
    number, image, category, box = (value.get(key) for key in ("id", "image_id", "category_id", "bbox"))
    return _Object(number, image, category, box, value.get("iscrowd", 0))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _categories(path: Path, listed: list[Any], faults: list[Fault]) -> dict[Any, str]:
    """Names by number, in the order of the numbers."""
    found: dict[Any, str] = {}
    for place, each in enumerate(listed):
        name = each.get("name") if isinstance(each, dict) else None
        number = each.get("id") if isinstance(each, dict) else None
        wrong = ""
        if not isinstance(name, str) or not name.strip() or not _is_number(number):
            wrong = "needs an id and a name"
        elif number in found:
            wrong = f"has the id {number!r} of {found[number]!r}"
        elif name.strip() in found.values():
            wrong = f"is called {name!r} as another one"
        else:
            found[number] = name.strip()
        if wrong:
            faults.append(Fault(path, f"{path}: category {place + 1} of the list {wrong}; correct it"))
    return dict(sorted(found.items(), key=lambda pair: (isinstance(pair[0], str), pair[0])))


def _images(path: Path, listed: list[Any], faults: list[Fault]) -> dict[Any, tuple[str, tuple[int, int]]]:
    """File name and size of each image by its number."""
    found: dict[Any, tuple[str, tuple[int, int]]] = {}
    names: set[str] = set()
    for place, each in enumerate(listed):
        wrong = _wrong_image(each, found, names)
        if wrong:
            faults.append(Fault(path, f"{path}: image {place + 1} of the list {wrong}"))
        else:
            name = str(relative_name(each["file_name"]))
            names.add(name)
            found[each["id"]] = (name, (each["width"], each["height"]))
    return found


def _wrong_image(each: Any, found: Mapping[Any, Any], names: set[str]) -> str:
    if not isinstance(each, dict) or not _is_number(each.get("id")):
        return "has no id; number the images"
    name = relative_name(each.get("file_name"))
    if name is None:
        return (
            f"({each['id']!r}) has the file_name {each.get('file_name')!r}, which must lead into the folder of images"
        )
    if each["id"] in found:
        return f"({name}) has the id {each['id']!r} of {found[each['id']][0]}; number them differently"
    if name in names:
        return f"({each['id']!r}) is {name}, as another one is; keep one of them"
    sides = (each.get("width"), each.get("height"))
    if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides):
        return f"({name}) has width and height {sides}, which must be whole pixels"
    return ""


def _image_folders(root: Path, path: Path) -> list[Path]:
    """Where the images of a file may lie: in the folder of its part, or all together."""
    stem = path.stem.removeprefix("instances_")
    part = part_of(path.stem)
    named = [stem, *([part, part_folders(root).get(part, root).name] if part else [])]
    below = [root, root / "images"]
    candidates = [folder / name for folder in below for name in named]
    return [*candidates, path.parent, root / "images", root / "data", root / "images" / "default", root]


def _objects(
    path: Path, listed: list[Any], names: Mapping[Any, str], images: Mapping[Any, Any], faults: list[Fault]
) -> tuple[dict[Any, list[Box]], list[str]]:
    """Boxes of each image by its number, and what was passed over."""
    found: dict[Any, list[Box]] = {number: [] for number in images}
    slivers: list[Any] = []
    for place, each in enumerate(listed, start=1):
        wrong = _wrong_object(each, names, images)
        if wrong:
            shown = repr(each.number) if isinstance(each, _Object) else f"{place} of the list"
            faults.append(Fault(path, f"{path}: annotation {shown} {wrong}"))
            continue
        x, y, width, height = each.box
        if width < 1 or height < 1:
            slivers.append(each.number)
        else:
            found[each.image].append(Box(x, y, x + width, y + height, names[each.category], bool(each.crowd)))
    if not slivers:
        return found, []
    shown = ", ".join(map(str, slivers[:MOST_NAMES])) + (", ..." if len(slivers) > MOST_NAMES else "")
    return found, [
        f"{path}: {len(slivers)} objects with a side below one pixel are left out, as mmdetection does (id {shown})"
    ]


def _wrong_object(each: Any, names: Mapping[Any, str], images: Mapping[Any, Any]) -> str:
    if not isinstance(each, _Object):
        return "has no image_id; say which image it is of"
    if not _is_number(each.image) or each.image not in images:
        return f"is of the image {each.image!r}, which the list of images has not; drop it or add the image"
    if not _is_number(each.category) or each.category not in names:
        return f"is of the category {each.category!r}, which the list of categories has not; correct it"
    if not isinstance(each.box, list) or len(each.box) != 4 or not all(map(_is_real, each.box)):
        return f"has the bbox {str(each.box)[:80]}, which must be four numbers: x, y, width, height"
    if min(each.box[2:]) < 0:
        return f"has the bbox {each.box}, whose width and height must not be negative; correct it"
    if each.crowd not in (0, 1):
        return f"has iscrowd {str(each.crowd)[:80]!r}, which must be 0 or 1"
    return ""


def _is_real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9
