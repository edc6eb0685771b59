"""VOC's XML, a file for each image, in whatever folders.

Beside the images (LabelImg; Roboflow has such a folder for each part), in a folder ``annotations`` beside ``images``,
or as CVAT exports it, which is a year of a devkit without the devkit. Boxes are read as mmdetection reads a devkit's:
decimals are cut off, and counting begins at 0 instead of 1. A VOCdevkit itself is read by ``transfer.data.voc``.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from backbones.data.folders.part_names import PART_WORDS, part_folders
from backbones.errors import UserError, not_none
from transfer.data.faults import read_each
from transfer.data.scenes.formats.pairs import AnnotatedImage, part_of_pairs, size_of
from transfer.data.scenes.names import IMAGE_SUFFIXES, files_below, files_in
from transfer.data.scenes.scene import TEST, TRAIN, VAL, WHOLE, Box, Part, Scene, SceneFolder
from transfer.data.text_file import read_lines
from transfer.data.voc_annotation import read_annotation

BESIDE = "images with VOC's XML beside them"
TWO_FOLDERS = "images with VOC's XML in a folder of its own"
CVAT = "CVAT's export of Pascal VOC"
DEVKIT = "a VOCdevkit"
WITHOUT_LISTS = "VOC's folders without lists of images"
_FOLDERS = ("annotations", "Annotations", "xml", "labels")
_LOOKED_AT = 500


def recognise(root: Path) -> SceneFolder | None:
    """The folder as one of these, or None.

    Raises:
        UserError: A list of images names one that is not there.
    """
    if (root / "JPEGImages").is_dir() and (root / "Annotations").is_dir():
        if (root / "ImageSets").is_dir() and not (root / "labelmap.txt").is_file():
            return None  # a year of a devkit
        what = CVAT if (root / "labelmap.txt").is_file() else WITHOUT_LISTS
        return SceneFolder(root, what, _divided(root, root / "JPEGImages", root / "Annotations"))
    flat = {part: folder for part, folder in part_folders(root).items() if _has_xml(files_in(folder))}
    if not flat and _has_xml(files_in(root)) and any(path.suffix.lower() in IMAGE_SUFFIXES for path in files_in(root)):
        flat = {WHOLE: root}
    if flat:
        return SceneFolder(root, BESIDE, {part: _part(root, folder, folder) for part, folder in flat.items()})
    for name in _FOLDERS:
        annotations, images = root / name, root / "images"
        if images.is_dir() and annotations.is_dir() and _has_xml(files_below(annotations)):
            return SceneFolder(root, TWO_FOLDERS, _divided(root, images, annotations))
    return None


def recognise_devkit(root: Path) -> SceneFolder | None:
    """A VOCdevkit as scenes: ``trainval`` (else ``train``) and ``test`` of all its years, ``val`` where it is no part.

    Raises:
        UserError: A list names what is not there.
    """
    lists: dict[str, list[Path]] = {}
    for year in sorted(path for path in root.glob("*") if (path / "ImageSets" / "Main").is_dir()):
        there = {path.stem: path for path in (year / "ImageSets" / "Main").glob("*.txt")}
        trained = "trainval" if "trainval" in there else "train"
        measured = {"test": TEST, **({} if trained == "trainval" else {"val": VAL})}
        for name, part in {trained: TRAIN, **measured}.items():
            if name in there:
                lists.setdefault(part, []).append(there[name])
    if TRAIN not in lists:
        return None
    return SceneFolder(root, DEVKIT, {part: _of_years(root, paths) for part, paths in lists.items()})


def _of_years(root: Path, lists: list[Path]) -> Part:
    pairs = []
    for path in lists:
        year = path.parents[2]
        pairs += [
            AnnotatedImage(year / "JPEGImages" / f"{name}.jpg", year / "Annotations" / f"{name}.xml")
            for name in _listed(path)
        ]
    return part_of_pairs(root, pairs, read_scene)


def _has_xml(files: list[Path]) -> bool:
    return any(path.suffix.lower() == ".xml" for path in islice(files, _LOOKED_AT))


def _divided(root: Path, images: Path, annotations: Path) -> dict[str, Part]:
    """Parts by folders in both, by lists, or none."""
    folders = part_folders(annotations)
    if folders:
        return {part: _part(root, images / folder.name, folder) for part, folder in folders.items()}
    lists = {
        part: path
        for part in PART_WORDS
        for path in (root / f"{part}.txt", root / "ImageSets" / "Main" / f"{part}.txt")
        if path.is_file()
    }
    if len(lists) < 2:
        return {WHOLE: _part(root, images, annotations)}
    return {part: _part(root, images, annotations, path) for part, path in lists.items()}


def _part(root: Path, images: Path, annotations: Path, names: Path | None = None) -> Part:
    """Each XML with its image; an image without XML is named, and has no part in it."""
    found = _by_stem(images, IMAGE_SUFFIXES)
    described = _by_stem(annotations, (".xml",))
    if names is not None:
        wanted = _listed(names)
        lacking = [name for name in wanted if name not in described]
        if lacking:
            raise UserError(f"{names} lists {lacking[0]!r}, which has no XML in {annotations}; add it or drop the line")
        described = {name: described[name] for name in wanted}
    pairs = [AnnotatedImage(found.get(name, images / f"{name}.jpg"), path) for name, path in described.items()]
    bare = sorted(set(found) - set(described)) if names is None else []
    remarks = []
    if bare:
        shown = ", ".join(bare[:10]) + (f" and {len(bare) - 10} more" if len(bare) > 10 else "")
        remarks.append(f"{len(bare)} images in {images} have no XML and are passed over: {shown}")
    return part_of_pairs(root, pairs, read_scene, remarks=remarks)


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files in a folder, and in those below it, by their path below it without suffix."""
    files = files_below(folder)
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path for path in files if path.suffix.lower() in suffixes
    }


def _listed(path: Path) -> list[str]:
    """Identifiers of a list; CVAT writes those of a subset with its folder before them."""
    names = [name for name in read_lines(path, "image names") if name]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{path} lists {twice[0]!r} twice; remove one")
    return names


def read_scene(root: Path, pair: AnnotatedImage) -> Scene:
    """One annotation with its image.

    Raises:
        UserError: It cannot be read; ``Faults`` where several objects are wrong.
    """
    path = not_none(pair.annotation)
    document = read_annotation(path)
    boxes = read_each(root, path, "object", document.findall("object"), _object)
    size = _recorded(document, pair)
    return Scene(pair.image.relative_to(root).as_posix(), size, tuple(boxes), str(path))


def _recorded(document: ElementTree.Element, pair: AnnotatedImage) -> tuple[int, int]:
    element = document.find("size")
    if element is None:
        return size_of(pair.image)
    sides = (element.findtext("width"), element.findtext("height"))
    try:
        width, height = (int(side or "") for side in sides)
    except ValueError:
        raise UserError(
            f"{pair.annotation}: <size> must hold whole numbers in <width> and <height>, not {sides}"
        ) from None
    return width, height


def _object(element: ElementTree.Element) -> Box:
    name = element.findtext("name")
    if not name:
        raise ValueError("it has no <name>; write its class")
    difficult = element.findtext("difficult", default="0")
    if difficult not in ("0", "1"):
        raise ValueError(f"<difficult> must be 0 or 1, not {difficult!r}; correct it")
    corners = list(_corners(element))
    return Box(corners[0], corners[1], corners[2], corners[3], name, difficult == "1")


def _corners(element: ElementTree.Element) -> Iterator[float]:
    for corner in ("xmin", "ymin", "xmax", "ymax"):
        text = element.findtext(f"bndbox/{corner}")
        try:
            value = float(text or "")
        except ValueError:
            raise ValueError(f"<{corner}> of <bndbox> must be a number, not {text!r}; correct it") from None
        if not math.isfinite(value) or abs(value) > 1e9:
            raise ValueError(f"<{corner}> of <bndbox> is {text}; correct it")
        yield float(int(value) - 1)
