"""YOLO's text: a line for each object, its class by number and its box in shares of the image's sides.

``CLASS X Y WIDTH HEIGHT``, X and Y being the centre, or ``CLASS X1 Y1 X2 Y2 X3 Y3 ...`` for an outline, of which the
box around it is taken. https://docs.ultralytics.com/datasets/detect/. Labels lie beside the images, or in a folder
``labels`` that is built like ``images``. An image without a file of labels has no objects.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from backbones.cli.yaml_section import read_yaml
from backbones.data.folders.part_names import PART_WORDS, part_folders
from backbones.errors import UserError
from backbones.text_files import read_text
from transfer.data.class_names import OWN_NAMES, read_classes
from transfer.data.faults import MOST_NAMES, Fault, Faults
from transfer.data.scenes.formats.pairs import AnnotatedImage, part_of_pairs, size_of
from transfer.data.scenes.names import files_below, files_in, is_image, relative_name
from transfer.data.scenes.scene import TRAIN, WHOLE, Box, Scene, SceneFolder

WHAT = "YOLO's images and labels"
_CVAT = "obj_train_data"
_LARGEST = 2**24  # bytes of one image's labels
_NAME_FILES = (OWN_NAMES, f"labels/{OWN_NAMES}", "obj.names", "names.txt")
_LOOKED_AT = 500


def recognise(root: Path) -> SceneFolder | None:
    """The folder as YOLO's, or None.

    Raises:
        UserError: Its ``data.yaml`` cannot be used, or nothing names the classes.
    """
    description = _description(root)
    images = _listed_images(root, description) if description else _images_by_folder(root)
    if not any(_labels_of(image).exists() for part in images.values() for image in islice(part, _LOOKED_AT)):
        return None
    names = _names(root, description)
    parts = {}
    for part, listed in images.items():
        pairs = [AnnotatedImage(image, label if (label := _labels_of(image)).exists() else None) for image in listed]
        read = partial(read_scene, classes=names)
        parts[part] = part_of_pairs(root, pairs, read, names, _orphans(root, pairs))
    return SceneFolder(root, WHAT, parts)


def _description(root: Path) -> dict[str, Any]:
    """What ``data.yaml`` says, under whatever name; empty where there is none."""
    for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]):
        try:
            content = read_yaml(path)
        except UserError:
            if path.stem == "data":
                raise
            continue
        if isinstance(content, dict) and "names" in content and TRAIN in content:
            return {**content, "file": path}
    return {}


def _names(root: Path, description: Mapping[str, Any]) -> tuple[str, ...]:
    if description:
        return _names_of_description(description)
    for name in _NAME_FILES:
        if (root / name).is_file():
            return read_classes(root / name)
    raise UserError(
        f"{root} holds {WHAT}, and nothing names the classes that the labels number; write {root / OWN_NAMES}, a name "
        "per line, class 0 first"
    )


def _names_of_description(description: Mapping[str, Any]) -> tuple[str, ...]:
    path, names = description["file"], description["names"]
    if isinstance(names, dict) and list(names) == list(range(len(names))):
        names = list(names.values())
    names = [str(name).strip() for name in names] if isinstance(names, list) else []
    if not names or not all(names) or len(set(names)) < len(names):
        raise UserError(f"{path}: names must be a list, or numbers from 0 with a name each, no two alike; correct it")
    if description.get("nc", len(names)) != len(names):
        raise UserError(f"{path}: nc is {description['nc']}, and there are {len(names)} names; correct one of them")
    return tuple(names)


def _listed_images(root: Path, description: Mapping[str, Any]) -> dict[str, list[Path]]:
    """Images of each part that ``data.yaml`` names."""
    found = {}
    for part, words in PART_WORDS.items():
        value = next((description[word] for word in words if description.get(word)), None)
        places = value if isinstance(value, list) else [value] if value else []
        images = [image for place in places for image in _place(root, description, part, place)]
        if images:
            found[part] = list(dict.fromkeys(images))
    return found


def _place(root: Path, description: Mapping[str, Any], part: str, value: object) -> Iterator[Path]:
    """Images in a folder, or of a list, that ``data.yaml`` names; beside it, Roboflow writes "../train/images"."""
    text = str(value).replace("\\", "/")
    while text.startswith("../"):
        text = text[3:]
    name = relative_name(text)
    base = relative_name(str(description.get("path") or "."))
    candidates = [root / name, root / (base or ".") / name] if name else []
    place = next((each for each in candidates if each.exists()), None)
    if place is None:
        missing = "is not in this folder" if name else "leads out of this folder"
        if part == TRAIN:
            raise UserError(f"{description['file']}: {part} is {value!r}, which {missing}; correct it")
        return  # a part that was not delivered: Roboflow names all three whatever there is
    if place.is_file():
        yield from _images_of_list(root, place)
    else:
        yield from (path for path in files_below(place) if is_image(path))


def _images_of_list(root: Path, path: Path) -> Iterator[Path]:
    lines = [line.strip() for line in _text(path).split("\n") if line.strip()]
    for number, line in enumerate(lines, start=1):
        name = relative_name(line)
        # CVAT writes "data/obj_train_data/a.jpg" for what lies in obj_train_data.
        candidates = [root / name, root / name.removeprefix("data/"), path.parent / name] if name else []
        found = next((each for each in candidates if each.exists()), None)
        if found is None:
            raise UserError(f"{path}, line {number} is {line[:80]!r}, and there is no such image in {root}; correct it")
        yield found


def _images_by_folder(root: Path) -> dict[str, list[Path]]:
    """Images of each part, where nothing describes them: by the folders that they lie in."""
    if (root / _CVAT).is_dir():
        lists = {part: root / f"{part}.txt" for part in PART_WORDS if (root / f"{part}.txt").is_file()}
        if set(lists) - {TRAIN}:
            return {part: list(_images_of_list(root, path)) for part, path in lists.items()}
        return {WHOLE: [path for path in files_below(root / _CVAT) if is_image(path)]}
    inner = {part: folder / "images" for part, folder in part_folders(root).items() if (folder / "images").is_dir()}
    for folders, files in (
        (part_folders(root / "images"), files_below),
        (inner, files_below),
        (part_folders(root), files_in),
    ):
        found = {part: [path for path in files(folder) if is_image(path)] for part, folder in folders.items()}
        if any(_labels_of(image).exists() for part in found.values() for image in islice(part, _LOOKED_AT)):
            return {part: images for part, images in found.items() if images}
    place = root / "images" if (root / "images").is_dir() else root
    return {WHOLE: [path for path in files_in(place) if is_image(path)]}


def _labels_of(image: Path) -> Path:
    """In the folder ``labels`` that stands beside ``images``, else beside the image."""
    parts = list(image.parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == "images":
            return Path(*parts[:place], "labels", *parts[place + 1 :]).with_suffix(".txt")
    return image.with_suffix(".txt")


def _orphans(root: Path, pairs: list[AnnotatedImage]) -> list[str]:
    """Labels without an image, in the folders that have some with one."""
    used = {pair.annotation for pair in pairs}
    folders = dict.fromkeys(path.parent for path in used if path is not None)
    known = {Path(name).name for name in _NAME_FILES} | {f"{part}.txt" for part in PART_WORDS} | {"README.txt"}
    stems = {pair.image.stem for pair in pairs}
    lost = [
        path
        for folder in folders
        for path in files_in(folder)
        if path.suffix == ".txt"
        and path not in used
        and path.name not in known
        and path.stem not in stems
        and not path.name.startswith("README")
    ]
    if not lost:
        return []
    shown = ", ".join(path.relative_to(root).as_posix() for path in lost[:MOST_NAMES])
    more = f" and {len(lost) - MOST_NAMES} more" if len(lost) > MOST_NAMES else ""
    return [f"{len(lost)} files of labels have no image and are passed over: {shown}{more}"]


def _text(path: Path) -> str:
    try:
        return read_text(path, _LARGEST).removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as text ({getattr(error, 'strerror', None) or error}); restore it"
        ) from None


def read_scene(root: Path, pair: AnnotatedImage, classes: tuple[str, ...]) -> Scene:
    """One image with its labels.

    Raises:
        UserError: Either cannot be read, or a line is wrong; ``Faults`` where it is more than one.
    """
    size = size_of(pair.image)
    boxes, faults = [], []
    lines = [] if pair.annotation is None else _text(pair.annotation).split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                boxes.append(_box(line.split(), size, classes))
        except ValueError as error:
            path = pair.annotation or pair.image
            faults.append(Fault(path, f"{path}, line {number} is {line.strip()[:80]!r}: {error}"))
    if faults:
        raise Faults(root, faults)
    source = str(pair.annotation or pair.image)
    return Scene(pair.image.relative_to(root).as_posix(), size, tuple(boxes), source)


def _box(words: list[str], size: tuple[int, int], classes: tuple[str, ...]) -> Box:
    number, *texts = words
    if not number.isascii() or not number.isdigit() or int(number) >= len(classes):
        raise ValueError(
            f"the class must be a number from 0 to {len(classes) - 1}, as {len(classes)} classes have names"
        )
    try:
        values = [float(text) for text in texts]
    except ValueError:
        raise ValueError("behind the class come numbers alone") from None
    if not all(map(math.isfinite, values)):
        raise ValueError("numbers must be finite")
    if len(values) == 4:
        x, y, width, height = values
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        if width < 0 or height < 0:
            raise ValueError("width and height must not be negative")
    elif len(values) >= 6 and len(values) % 2 == 0:
        corners = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
    else:
        raise ValueError("expected CLASS X Y WIDTH HEIGHT, or CLASS and the points of an outline")
    if max(map(abs, corners)) > 2:
        raise ValueError("numbers are shares of the image's sides, from 0 to 1, and no pixels")
    scaled = [corner * side for corner, side in zip(corners, (*size, *size), strict=True)]
    return Box(scaled[0], scaled[1], scaled[2], scaled[3], classes[int(number)])
