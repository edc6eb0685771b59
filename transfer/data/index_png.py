"""Check a folder of images and index PNG label maps before a segmentation network trains on it.

Two layouts: ADEChallengeData2016 (``images/training`` and ``annotations/training``; 0 = unlabelled, classes from 1) and
a user's own (``images``, ``annotations`` and a list of names per split; classes from 0, 255 = ignore).
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backbones.data.folders.verification import FileStamp, content_fingerprint, remembered, stamp
from backbones.errors import MachineError, UserError
from transfer.data.faults import Fault, Faults, texts
from transfer.data.good_files import GoodFiles, check_files
from transfer.data.images import verify_image
from transfer.data.label_map import (
    LabelCoding,
    check_label_map,
    refuse_labels_from_zero,
    refuse_unless_two_classes,
)
from transfer.data.name_list import ListKind, read_names
from transfer.data.nearby import Neighbours, folders_beside, lists_beside

_VALUES = 256
_OTHER_SUFFIX = ", or name the suffix of your images (--image-suffix of check, img_suffix in training: docs/data.md)"


@dataclass(frozen=True)
class IndexPngSummary:
    """Counts of a checked data set; ``unlabelled_share`` is between 0 and 1, ``fingerprint`` covers names and sizes."""

    images: int
    pixels: dict[str, int]
    unlabelled_share: float
    fingerprint: str


class _Pair(NamedTuple):
    image: Path
    label: Path


class _Listed(NamedTuple):
    """What a list or the folders name: pairs, the files of each, the list itself, and what is wrong with them."""

    pairs: list[_Pair]
    files: list[tuple[FileStamp, FileStamp]]
    lists: list[FileStamp]
    faults: list[Fault]

    @property
    def stamps(self) -> list[FileStamp]:
        return [*self.lists, *(stamp for pair in self.files for stamp in pair)]


def check_index_png(
    root: Path,
    image_dir: str,
    label_dir: str,
    classes: Sequence[str],
    split_file: str | None = None,
    reduce_zero_label: bool = True,
    ignore_index: int = 255,
    image_suffix: str = ".jpg",
    label_suffix: str = ".png",
) -> IndexPngSummary:
    """Check every image and label map of one split.

    ``image_dir``, ``label_dir`` and ``split_file`` are relative to ``root``. Without a split file, each image below
    ``image_dir`` must have a label map at the same place below ``label_dir``, and the reverse. With
    ``reduce_zero_label``, 0 is unlabelled and classes count from 1; without it, they count from 0 and ``ignore_index``
    is unlabelled.

    Raises:
        UserError: Something is wrong: the message names the file at fault and the remedy. ``Faults`` has all of them.
    """
    coding = LabelCoding(len(classes), reduce_zero_label, ignore_index)
    coding.check()
    folders = _Pair(root / image_dir, root / label_dir)
    listed = _find_pairs(root, folders, split_file, (image_suffix, label_suffix))
    memory = GoodFiles(root, {"format": "index png", "coding": [len(classes), reduce_zero_label, ignore_index]})
    compute = functools.partial(_check_pairs, listed, root, folders, tuple(classes), coding, memory)
    if listed.faults:  # and then all that is not missing is looked at, too
        compute()
    arguments: dict[str, Any] = {
        "format": "index png",
        "classes": list(classes),
        "coding": [reduce_zero_label, ignore_index],
        "files": [image_dir, label_dir, split_file, image_suffix, label_suffix],
    }
    return remembered(IndexPngSummary, root, listed.stamps, arguments, Path(__file__).parent, compute)


def index_png_images(
    root: Path,
    image_dir: str,
    label_dir: str,
    split_file: str | None = None,
    image_suffix: str = ".jpg",
    label_suffix: str = ".png",
) -> list[FileStamp]:
    """The images of a split, as far as they and their label maps are there, in the order of their list or by name."""
    folders = _Pair(root / image_dir, root / label_dir)
    return [image for image, _ in _find_pairs(root, folders, split_file, (image_suffix, label_suffix)).files]


def _find_pairs(root: Path, folders: _Pair, split_file: str | None, suffixes: tuple[str, str]) -> _Listed:
    _require_folders(folders)
    listed = _Listed([], [], [], [])
    neighbours = Neighbours()
    names: Sequence[str]
    if split_file is None:
        names, faults = _names_in_folders(folders, suffixes, neighbours)
        origin = str(folders.image)
    else:
        path = root / split_file
        missing = f"{path} does not exist; write one image name per line into it, without suffix{lists_beside(path)}"
        listed.lists.append(stamp(root, path, missing))
        numbered, faults = read_names(path, folders.image, ListKind("an image name", "names no images", suffixes, True))
        names, origin = list(numbered), str(path)
    listed.faults.extend(faults)
    for name in names:
        pair = _Pair(folders.image / (name + suffixes[0]), folders.label / (name + suffixes[1]))
        try:
            files = _stamp_pair(root, pair, origin, neighbours)
        except MachineError:
            raise
        except UserError as error:
            listed.faults.append(Fault(pair.image, str(error)))
        else:
            listed.pairs.append(pair)
            listed.files.append(files)
    return listed


def _stamp_pair(root: Path, pair: _Pair, origin: str, neighbours: Neighbours) -> tuple[FileStamp, FileStamp]:
    drop = "add it or drop the name"
    no_image, no_label = (
        f"{what} does not exist; {neighbours.remedy(path, drop, also)}"
        for what, path, also in (
            (f"{origin} names an image, but {pair.image}", pair.image, _OTHER_SUFFIX),
            (f"{origin} names an image without annotation: {pair.label}", pair.label, ""),
        )
    )
    return stamp(root, pair.image, no_image), stamp(root, pair.label, no_label)


def _require_folders(folders: _Pair) -> None:
    for folder in folders:
        if not folder.is_dir():
            raise UserError(
                f"folder {folder} does not exist; expected images and index PNG label maps in two folders, such as "
                "images/training and annotations/training (ADE20K), or images and annotations with train.txt"
                f"{folders_beside(folder)}"
            )


def _names_in_folders(
    folders: _Pair, suffixes: tuple[str, str], neighbours: Neighbours
) -> tuple[list[str], list[Fault]]:
    """Names that both folders have, and those that one of them lacks."""
    images, labels = (set(_list_names(folder, suffix)) for folder, suffix in zip(folders, suffixes, strict=True))
    if not images:
        raise UserError(
            f"{folders.image} has no file ending in {suffixes[0]}; set the image suffix or the folder"
            f"{_suffixes_in(folders.image)}"
        )
    faults = []
    for name in sorted(images - labels):
        image, label = _Pair(folders.image / (name + suffixes[0]), folders.label / (name + suffixes[1]))
        remedy = neighbours.remedy(label, "add it or remove the image")
        faults.append(Fault(image, f"{image} is an image without annotation: {label} does not exist; {remedy}"))
    for name in sorted(labels - images):
        image, label = _Pair(folders.image / (name + suffixes[0]), folders.label / (name + suffixes[1]))
        missing = f"{label} is an annotation without image: {image} does not exist (suffixes are case-sensitive)"
        remedy = neighbours.remedy(image, "add it or remove the annotation", _OTHER_SUFFIX)
        faults.append(Fault(label, f"{missing}; {remedy}"))
    return sorted(images & labels), faults


def _list_names(folder: Path, suffix: str) -> Iterator[str]:
    """Names as mmengine lists them: subfolders and links followed, files that begin with a dot left out."""
    for parent, _, files in os.walk(folder, followlinks=True):
        for file in files:
            if file.endswith(suffix) and not file.startswith("."):
                yield (Path(parent) / file).relative_to(folder).as_posix()[: -len(suffix)]


def _suffixes_in(folder: Path) -> str:
    """Words on the suffix that most files have; none where there are no files."""
    found = Counter(Path(file).suffix for _, _, files in os.walk(folder) for file in files if Path(file).suffix)
    return f"; most there end in {found.most_common(1)[0][0]}{_OTHER_SUFFIX}" if found else ""


def _check_pairs(
    listed: _Listed, root: Path, folders: _Pair, classes: tuple[str, ...], coding: LabelCoding, memory: GoodFiles
) -> IndexPngSummary:
    check = functools.partial(_check_pair, coding=coding)
    histograms, wrong = check_files(check, listed.pairs, listed.files, memory, f"checking {folders.label}")
    if faults := [*listed.faults, *(Fault(pair.label, text) for pair, text in wrong)]:
        raise Faults(root, faults)
    total = np.zeros(_VALUES, np.int64)
    for histogram in histograms:
        total[[int(value) for value in histogram]] += list(histogram.values())
    refuse_unless_two_classes(total.tolist(), classes, coding, f"this split ({len(listed.pairs)} in {folders.label})")
    refuse_labels_from_zero(total, coding, folders.label)
    pixels = total[coding.first : coding.first + len(classes)]
    return IndexPngSummary(
        images=len(listed.pairs),
        pixels=dict(zip(classes, pixels.tolist(), strict=True)),
        unlabelled_share=float(1 - pixels.sum() / total.sum()),
        fingerprint=content_fingerprint(listed.stamps),
    )


def _check_pair(pair: _Pair, coding: LabelCoding) -> dict[str, int]:
    """Pixels of the label map by value."""
    found: list[Fault] = []
    size, pixels = None, {}
    try:
        size = verify_image(pair.image)
    except MachineError:
        raise
    except UserError as error:
        found.append(Fault(pair.image, str(error)))
    try:
        pixels = check_label_map(pair.label, pair.image, size, coding)
    except MachineError:
        raise
    except UserError as error:
        found += [Fault(pair.label, text) for text in texts(error)]
    if found:
        raise Faults(pair.image.parent, found)
    return pixels
