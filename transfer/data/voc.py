"""Check a VOCdevkit, the layout of PASCAL VOC, before a detector trains on it.

mmdet reads the same files more forgivingly: it drops objects of unknown classes without a word, trusts the size written
in the XML, and lets inverted boxes through to the loss. What passes here is read by it completely.
"""

from __future__ import annotations

import functools
import math
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backbones.data.verification import FileStamp, check_each, content_fingerprint, remembered, stamp
from backbones.errors import UserError
from transfer.data.images import verify_image

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *(
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
)

_LAYOUT = "expected DEVKIT/YEAR/{JPEGImages/ID.jpg, Annotations/ID.xml, ImageSets/Main/SPLIT.txt}"


@dataclass(frozen=True)
class VocSummary:
    """Counts of a checked devkit. ``objects`` includes ``difficult`` ones; ``fingerprint`` covers names and sizes."""

    images: int
    objects: dict[str, int]
    difficult: dict[str, int]
    images_without_objects: int
    fingerprint: str


class _Sample(NamedTuple):
    image: Path
    annotation: Path


class _Object(NamedTuple):
    name: str
    difficult: bool


def check_voc(devkit: Path, years_and_splits: Sequence[tuple[str, str]], classes: Sequence[str]) -> VocSummary:
    """Check every image and annotation of the given (year folder, split) pairs.

    Boxes follow VOC: corners counted from 1 (0 is accepted), inclusive, whole or decimal, at least one pixel apart.
    Raises ``UserError`` naming the first file at fault and the remedy.
    """
    samples: list[_Sample] = []
    stamps: list[FileStamp] = []
    for year, split in years_and_splits:
        found, found_stamps = _find_samples(devkit, year, split)
        samples += found
        stamps += found_stamps
    twice = [sample.image for sample, count in Counter(samples).items() if count > 1]
    if twice:
        raise UserError(
            f"{twice[0]} is in more than one of the splits {years_and_splits}; name splits that do not overlap"
        )
    arguments = {
        "format": "voc",
        "splits": [list(pair) for pair in years_and_splits],
        "classes": list(classes),
    }
    compute = functools.partial(_check_samples, samples, stamps, tuple(classes), devkit)
    return remembered(VocSummary, devkit, stamps, arguments, Path(__file__).parent, compute)


def voc_images(devkit: Path, years_and_splits: Sequence[tuple[str, str]]) -> list[FileStamp]:
    """The images of (year folder, split) pairs that ``check_voc`` finds sound, in the order of their lists."""
    return [each for pair in years_and_splits for each in _find_samples(devkit, *pair)[1][1::2]]


def _find_samples(devkit: Path, year: str, split: str) -> tuple[list[_Sample], list[FileStamp]]:
    """Of a split its images and annotations, and the stamps of its list, then of image and annotation in turn."""
    folder = devkit / year
    _require_layout(devkit, folder)
    split_file = folder / "ImageSets" / "Main" / f"{split}.txt"
    stamps = [stamp(devkit, split_file, f"{split_file} does not exist, so split {split!r} is unknown; {_LAYOUT}")]
    samples = []
    for identifier in _read_identifiers(split_file):
        sample = _Sample(folder / "JPEGImages" / f"{identifier}.jpg", folder / "Annotations" / f"{identifier}.xml")
        where = f"{split_file} lists {identifier!r}"
        suffix_hint = (
            "identifiers go without suffix" if identifier.endswith((".jpg", ".xml")) else "add it or drop the line"
        )
        stamps.append(stamp(devkit, sample.image, f"{where}, but {sample.image} does not exist; {suffix_hint}"))
        complaint = (
            f"{where}, an image without annotation: {sample.annotation} does not exist; add it (without <object> if "
            "nothing is in the picture) or drop the line"
        )
        stamps.append(stamp(devkit, sample.annotation, complaint))
        samples.append(sample)
    return samples, stamps


def _require_layout(devkit: Path, folder: Path) -> None:
    if not devkit.is_dir():
        raise UserError(f"folder {devkit} does not exist; {_LAYOUT}")
    if not folder.is_dir():
        hint = _LAYOUT
        if (devkit / "VOCdevkit").is_dir():
            hint = f"give {devkit / 'VOCdevkit'} as the devkit"
        elif (devkit / "JPEGImages").is_dir():
            hint = f"give {devkit.absolute().parent} as the devkit"
        elif others := sorted(each.name for each in devkit.iterdir() if (each / "ImageSets" / "Main").is_dir()):
            hint = f"{_LAYOUT}. There is {', '.join(others)}: det_configs/*_voc07.py read VOC2007 alone"
        elif (devkit / "annotations").is_dir():
            hint = f"{_LAYOUT}, and this looks like data for segmentation (tools/transfer_seg.py)"
        raise UserError(f"folder {folder} does not exist; {hint}")
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        if not (folder / name).is_dir():
            raise UserError(f"folder {folder / name} does not exist; {_LAYOUT}")


def _read_identifiers(split_file: Path) -> list[str]:
    try:
        with split_file.open(encoding="utf-8") as stream:
            lines = [line.rstrip("\n") for line in stream]
    except UnicodeDecodeError as error:
        raise UserError(
            f"{split_file} is not UTF-8 text ({error}); save it as UTF-8, one identifier per line"
        ) from None
    if not any(line.strip() for line in lines):
        raise UserError(f"{split_file} lists no images; write one identifier per line")
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line or " " in line or not line.isprintable():
            raise UserError(
                f"{split_file}, line {number} is {line!r}: expected one identifier and nothing else (no blank line, no "
                "space, no label column)"
            )
        if line in seen:
            raise UserError(f"{split_file}, line {number}: {line!r} is already on line {seen[line]}; remove one")
        seen[line] = number
    return list(seen)


def _check_samples(
    samples: Sequence[_Sample], stamps: Sequence[FileStamp], classes: tuple[str, ...], devkit: Path
) -> VocSummary:
    check = functools.partial(_check_sample, classes=classes)
    per_image = check_each(check, samples, f"checking {devkit}")
    objects = Counter(entry.name for image in per_image for entry in image)
    difficult = Counter(entry.name for image in per_image for entry in image if entry.difficult)
    if objects.total() == difficult.total():
        raise UserError(
            f"no image of {devkit} in these splits has an annotated object (difficult ones do not count); annotate "
            "some, or name another split"
        )
    return VocSummary(
        images=len(samples),
        objects={name: objects[name] for name in classes},
        difficult={name: difficult[name] for name in classes},
        images_without_objects=sum(not image for image in per_image),
        fingerprint=content_fingerprint(stamps),
    )


def _check_sample(sample: _Sample, classes: tuple[str, ...]) -> list[_Object]:
    size = verify_image(sample.image)
    try:
        root = ElementTree.parse(sample.annotation).getroot()
    except (
        ElementTree.ParseError,
        ValueError,
        LookupError,
    ) as error:  # the last two: a bad or unknown encoding
        raise UserError(f"{sample.annotation} is not readable XML ({error}); restore it") from None
    if root.tag != "annotation":
        raise UserError(f"{sample.annotation} is not a VOC annotation: its root is <{root.tag}>, not <annotation>")
    _check_size(root, sample, size)
    return [
        _check_object(number, element, sample.annotation, size, classes)
        for number, element in enumerate(root.findall("object"), start=1)
    ]


def _check_size(root: ElementTree.Element, sample: _Sample, size: tuple[int, int]) -> None:
    element = root.find("size")
    if element is None:  # mmdet then decodes the image to learn its size
        return
    texts = (element.findtext("width"), element.findtext("height"))
    try:
        recorded = (int(texts[0] or ""), int(texts[1] or ""))
    except ValueError:
        raise UserError(
            f"{sample.annotation}: <size> must hold whole numbers in <width> and <height>, not {texts}; the image is "
            f"{size[0]} x {size[1]}"
        ) from None
    if recorded != size:
        raise UserError(
            f"{sample.annotation} records a size of {recorded[0]} x {recorded[1]}, but {sample.image} is {size[0]} x "
            f"{size[1]}: the boxes were made on another version of the image; pair them again or correct <size>"
        )


def _check_object(
    number: int, element: ElementTree.Element, file: Path, size: tuple[int, int], classes: tuple[str, ...]
) -> _Object:
    name = element.findtext("name")
    if name not in classes:
        raise UserError(
            f"{file}, object {number} has the unknown class {name!r}; the classes are {', '.join(classes)}. Correct "
            "the name or give your own list with --classes"
        )
    where = f"{file}, object {number} ({name})"
    difficult = element.findtext("difficult", default="0")
    try:
        is_difficult = int(difficult) != 0
    except ValueError:
        raise UserError(f"{where}: <difficult> must be 0 or 1, not {difficult!r}; correct it") from None
    _check_box(element, where, size)
    return _Object(str(name), is_difficult)


def _check_box(element: ElementTree.Element, where: str, size: tuple[int, int]) -> None:
    texts = {corner: element.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")}
    try:
        corners = {corner: float(text or "") for corner, text in texts.items()}
    except ValueError:
        raise UserError(f"{where}: the corners of <bndbox> must be numbers, found {texts}; correct them") from None
    if not all(map(math.isfinite, corners.values())):
        raise UserError(f"{where}: the corners of <bndbox> must be finite, found {texts}; correct them")
    for axis, limit in zip("xy", size, strict=True):
        low, high = corners[f"{axis}min"], corners[f"{axis}max"]
        if low < 0 or high > limit:
            raise UserError(
                f"{where}: {axis}min={low:g}, {axis}max={high:g} is outside the image, whose {axis} runs from 1 to "
                f"{limit}; clip the box or pair it with the right image"
            )
        if int(low) >= int(high):  # mmdet cuts decimals off, and a box without area makes the loss infinite
            raise UserError(
                f"{where}: {axis}min={low:g}, {axis}max={high:g} leaves no area (decimals are cut off); the minimum "
                "must be the smaller one by a whole pixel"
            )
