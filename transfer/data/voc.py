"""Check a VOCdevkit, the layout of PASCAL VOC, before a detector trains on it.

mmdet reads the same files more forgivingly: it drops objects of unknown classes without a word, trusts the size written
in the XML, and lets inverted boxes through to the loss. What passes here is read by it completely.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from backbones.data.folders.verification import FileStamp, content_fingerprint, remembered, stamp
from backbones.errors import MachineError, UserError
from transfer.data.faults import Fault, Faults, texts
from transfer.data.good_files import GoodFiles, check_files
from transfer.data.images import verify_image
from transfer.data.name_list import ListKind, read_names
from transfer.data.nearby import Neighbours, folders_beside, lists_beside
from transfer.data.voc_annotation import check_annotation

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

_LIST = ListKind("one identifier", "lists no images", (".jpg", ".xml"), refuses_suffixes=False)
_ADD = "add it or drop the line"
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


class _Listed(NamedTuple):
    """What lists name: samples, the files of each, the lists themselves, and what is wrong with them."""

    samples: list[_Sample]
    files: list[tuple[FileStamp, FileStamp]]
    lists: list[FileStamp]
    faults: list[Fault]

    @property
    def stamps(self) -> list[FileStamp]:
        return [*self.lists, *(stamp for pair in self.files for stamp in pair)]


def check_voc(devkit: Path, years_and_splits: Sequence[tuple[str, str]], classes: Sequence[str]) -> VocSummary:
    """Check every image and annotation of the given (year folder, split) pairs.

    Boxes follow VOC: corners counted from 1 (0 is accepted), inclusive, whole or decimal, at least one pixel apart.

    Raises:
        UserError: Something is wrong: the message names the file at fault and the remedy. ``Faults`` has all of them.
    """
    listed = _find_samples(devkit, years_and_splits)
    twice = [sample.image for sample, count in Counter(listed.samples).items() if count > 1]
    if twice:
        raise UserError(
            f"{twice[0]} is in more than one of the splits {years_and_splits}; name splits that do not overlap"
        )
    arguments: dict[str, Any] = {"format": "voc", "classes": list(classes)}
    memory = GoodFiles(devkit, arguments)
    compute = functools.partial(_check_samples, listed, tuple(classes), devkit, memory)
    if listed.faults:  # and then all that is not missing is looked at, too
        compute()
    arguments["splits"] = [list(pair) for pair in years_and_splits]
    return remembered(VocSummary, devkit, listed.stamps, arguments, Path(__file__).parent, compute)


def voc_images(devkit: Path, years_and_splits: Sequence[tuple[str, str]]) -> list[FileStamp]:
    """The images of (year folder, split) pairs, as far as they are there, in the order of their lists."""
    return [image for image, _ in _find_samples(devkit, years_and_splits).files]


def _find_samples(devkit: Path, years_and_splits: Sequence[tuple[str, str]]) -> _Listed:
    listed = _Listed([], [], [], [])
    neighbours = Neighbours()
    for year, split in years_and_splits:
        folder = devkit / year
        _require_layout(devkit, folder)
        path = folder / "ImageSets" / "Main" / f"{split}.txt"
        missing = f"{path} does not exist, so split {split!r} is unknown; {_LAYOUT}{lists_beside(path)}"
        listed.lists.append(stamp(devkit, path, missing))
        names, faults = read_names(path, folder / "JPEGImages", _LIST)
        listed.faults.extend(faults)
        for name, number in names.items():
            sample = _Sample(folder / "JPEGImages" / f"{name}.jpg", folder / "Annotations" / f"{name}.xml")
            try:
                files = _stamp_sample(devkit, path, name, number, sample, neighbours)
            except MachineError:
                raise
            except UserError as error:
                listed.faults.append(Fault(sample.image, str(error)))
            else:
                listed.samples.append(sample)
                listed.files.append(files)
    return listed


def _stamp_sample(
    devkit: Path, split_file: Path, name: str, number: int, sample: _Sample, neighbours: Neighbours
) -> tuple[FileStamp, FileStamp]:
    where = f"{split_file} lists {name!r}"
    if os.path.exists(sample.image):  # which, unlike Path.exists, takes what cannot be asked for as missing
        no_image = ""
    elif " " in name:
        no_image = (
            f"{split_file}, line {number} is {name!r}, and {sample.image} does not exist: expected one identifier and "
            "nothing else (no label column)"
        )
    elif name.endswith((".jpg", ".xml")):
        no_image = f"{where}, but {sample.image} does not exist; identifiers go without suffix"
    else:
        no_image = f"{where}, but {sample.image} does not exist; {neighbours.remedy(sample.image, _ADD)}"
    image = stamp(devkit, sample.image, no_image)
    empty = "drop the line, or add it (without <object> if nothing is in the picture)"
    no_annotation = (
        f"{where}, an image without annotation: {sample.annotation} does not exist; "
        f"{neighbours.remedy(sample.annotation, empty)}"
    )
    return image, stamp(devkit, sample.annotation, no_annotation)


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
            raise UserError(f"folder {folder / name} does not exist; {_LAYOUT}{folders_beside(folder / name)}")


def _check_samples(listed: _Listed, classes: tuple[str, ...], devkit: Path, memory: GoodFiles) -> VocSummary:
    check = functools.partial(_check_sample, classes=classes)
    per_image, wrong = check_files(check, listed.samples, listed.files, memory, f"checking {devkit}")
    if faults := [*listed.faults, *(Fault(sample.annotation, text) for sample, text in wrong)]:
        raise Faults(devkit, faults)
    objects = Counter(name for image in per_image for name, _ in image)
    difficult = Counter(name for image in per_image for name, is_difficult in image if is_difficult)
    if objects.total() == difficult.total():
        raise UserError(
            f"no image of {devkit} in these splits has an annotated object (difficult ones do not count); annotate "
            "some, or name another split"
        )
    return VocSummary(
        images=len(listed.samples),
        objects={name: objects[name] for name in classes},
        difficult={name: difficult[name] for name in classes},
        images_without_objects=sum(not image for image in per_image),
        fingerprint=content_fingerprint(listed.stamps),
    )


def _check_sample(sample: _Sample, classes: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Class and difficulty of each object in an image."""
    found: list[Fault] = []
    size, objects = None, []
    try:
        size = verify_image(sample.image)
    except MachineError:
        raise
    except UserError as error:
        found.append(Fault(sample.image, str(error)))
    try:
        objects = check_annotation(sample.annotation, sample.image, size, classes)
    except MachineError:
        raise
    except UserError as error:
        found += [Fault(sample.annotation, text) for text in texts(error)]
    if found:
        raise Faults(sample.image.parent, found)
    return objects
