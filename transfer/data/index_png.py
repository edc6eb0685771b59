"""Check a folder of images and index PNG label maps before a segmentation network trains on it.

Two layouts: ADEChallengeData2016 (``images/training`` and ``annotations/training``; 0 = unlabelled, classes from 1) and
a user's own (``images``, ``annotations`` and a list of names per split; classes from 0, 255 = ignore).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from backbones.data.verification import FileStamp, check_each, content_fingerprint, remembered, stamp
from backbones.errors import UserError
from transfer.data.images import verify_image

_VALUES = 256
_MMSEG_IGNORE = 255  # what mmseg turns label 0 into, and what it pads with
_PNG_BIT_DEPTH_OFFSET = 24  # signature 8, chunk head 8, width 4, height 4


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


@dataclass(frozen=True)
class _Coding:
    """How a label value names a class: ``first`` is the value of the first class, ``ignored`` values name none."""

    class_count: int
    reduce_zero_label: bool
    ignore_index: int

    @property
    def first(self) -> int:
        return int(self.reduce_zero_label)

    @property
    def ignored(self) -> tuple[int, ...]:
        return (0, _MMSEG_IGNORE) if self.reduce_zero_label else (self.ignore_index,)

    def allows(self, value: int) -> bool:
        return self.first <= value < self.first + self.class_count or value in self.ignored

    def describe(self) -> str:
        last = self.first + self.class_count - 1
        ignored = " and ".join(map(str, self.ignored))
        return f"{self.first} to {last} for the {self.class_count} classes, {ignored} for unlabelled"


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
    Raises ``UserError`` naming the first file at fault and the remedy.
    """
    coding = _Coding(len(classes), reduce_zero_label, ignore_index)
    _check_coding(coding)
    folders = _Pair(root / image_dir, root / label_dir)
    _require_folders(folders)
    pairs, stamps = _find_pairs(root, folders, split_file, (image_suffix, label_suffix))
    arguments = {
        "format": "index png",
        "classes": list(classes),
        "coding": [reduce_zero_label, ignore_index],
        "files": [image_dir, label_dir, split_file, image_suffix, label_suffix],
    }
    compute = functools.partial(_check_pairs, pairs, stamps, tuple(classes), coding)
    return remembered(IndexPngSummary, root, stamps, arguments, Path(__file__).parent, compute)


def index_png_images(
    root: Path,
    image_dir: str,
    label_dir: str,
    split_file: str | None = None,
    image_suffix: str = ".jpg",
    label_suffix: str = ".png",
) -> list[FileStamp]:
    """The images of a split that ``check_index_png`` finds sound, in the order of their list or by name."""
    folders = _Pair(root / image_dir, root / label_dir)
    stamps = _find_pairs(root, folders, split_file, (image_suffix, label_suffix))[1]
    return stamps[split_file is not None :: 2]


def _find_pairs(
    root: Path, folders: _Pair, split_file: str | None, suffixes: tuple[str, str]
) -> tuple[list[_Pair], list[FileStamp]]:
    """Images with their label maps, and the stamps of the list, if there is one, then of image and label in turn."""
    stamps: list[FileStamp] = []
    if split_file is None:
        names, origin = _names_in_folders(folders, suffixes), str(folders.image)
    else:
        path = root / split_file
        stamps.append(
            stamp(root, path, f"{path} does not exist; write one image name per line into it, without suffix")
        )
        names, origin = _names_in_file(path, suffixes), str(path)
    pairs = [_Pair(folders.image / (name + suffixes[0]), folders.label / (name + suffixes[1])) for name in names]
    remedy = "does not exist; add it or drop the name"
    for pair in pairs:
        stamps.append(stamp(root, pair.image, f"{origin} names an image, but {pair.image} {remedy}"))
        complaint = f"{origin} names an image without annotation: {pair.label} {remedy}"
        stamps.append(stamp(root, pair.label, complaint))
    return pairs, stamps


def _check_coding(coding: _Coding) -> None:
    if coding.reduce_zero_label and coding.ignore_index != _MMSEG_IGNORE:
        raise UserError(
            f"reduce_zero_label=True turns label 0 into {_MMSEG_IGNORE}, so ignore_index must be {_MMSEG_IGNORE}, not "
            f"{coding.ignore_index}"
        )
    taken = range(coding.first, coding.first + coding.class_count)
    if not taken or any(value in taken for value in (*coding.ignored, _MMSEG_IGNORE)):
        raise UserError(
            f"{coding.class_count} classes do not fit: they take label values {taken.start} to {taken.stop - 1}, but "
            f"{' and '.join(map(str, sorted({*coding.ignored, _MMSEG_IGNORE})))} mean unlabelled; give a list of 1 to "
            f"{_MMSEG_IGNORE - coding.first} classes and an ignore_index outside it"
        )


def _require_folders(folders: _Pair) -> None:
    for folder in folders:
        if not folder.is_dir():
            raise UserError(
                f"folder {folder} does not exist; expected images and index PNG label maps in two folders, such as "
                "images/training and annotations/training (ADE20K), or images and annotations with train.txt"
            )


def _names_in_folders(folders: _Pair, suffixes: tuple[str, str]) -> list[str]:
    images, labels = (set(_list_names(folder, suffix)) for folder, suffix in zip(folders, suffixes, strict=True))
    if not images:
        raise UserError(f"{folders.image} has no file ending in {suffixes[0]}; set the image suffix or the folder")
    if images - labels:
        name = min(images - labels)
        raise UserError(
            f"{folders.image / (name + suffixes[0])} is an image without annotation: "
            f"{folders.label / (name + suffixes[1])} does not exist; add it or remove the image"
        )
    if labels - images:
        name = min(labels - images)
        raise UserError(
            f"{folders.label / (name + suffixes[1])} is an annotation without image: "
            f"{folders.image / (name + suffixes[0])} does not exist (suffixes are case-sensitive); "
            "add it or remove the annotation"
        )
    return sorted(images)


def _list_names(folder: Path, suffix: str) -> Iterator[str]:
    """Names as mmengine lists them: subfolders and links followed, files that begin with a dot left out."""
    for parent, _, files in os.walk(folder, followlinks=True):
        for file in files:
            if file.endswith(suffix) and not file.startswith("."):
                yield (Path(parent) / file).relative_to(folder).as_posix()[: -len(suffix)]


def _names_in_file(path: Path, suffixes: tuple[str, str]) -> list[str]:
    try:
        with path.open(encoding="utf-8") as stream:
            names = [line.strip() for line in stream]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error}); save it as UTF-8, one image name per line") from None
    if not any(names):
        raise UserError(f"{path} names no images; write one image name per line, without suffix")
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name or not name.isprintable() or name.endswith(suffixes):
            raise UserError(f"{path}, line {number} is {name!r}: expected an image name without suffix, no blank line")
        if name in seen:
            raise UserError(f"{path}, line {number}: {name!r} is already on line {seen[name]}; remove one")
        seen[name] = number
    return list(seen)


def _check_pairs(
    pairs: Sequence[_Pair], stamps: Sequence[FileStamp], classes: tuple[str, ...], coding: _Coding
) -> IndexPngSummary:
    folder = pairs[0].label.parent
    histograms = check_each(functools.partial(_check_pair, coding=coding), pairs, f"checking {folder}")
    total = np.asarray(np.sum(histograms, axis=0, dtype=np.int64))
    pixels = total[coding.first : coding.first + len(classes)]
    _refuse_fewer_than_two_classes(dict(zip(classes, pixels.tolist(), strict=True)), coding, folder, len(pairs))
    _refuse_labels_from_zero(total, coding, folder)
    return IndexPngSummary(
        images=len(pairs),
        pixels=dict(zip(classes, pixels.tolist(), strict=True)),
        unlabelled_share=float(1 - pixels.sum() / total.sum()),
        fingerprint=content_fingerprint(stamps),
    )


def _refuse_fewer_than_two_classes(pixels: Mapping[str, int], coding: _Coding, folder: Path, images: int) -> None:
    """Where one class is all there is, a segmentor that answers with it is always right and has learnt nothing."""
    labelled = [name for name, count in pixels.items() if count]
    if not labelled:
        raise UserError(
            f"no label map of {folder} has a labelled pixel: all are {' or '.join(map(str, coding.ignored))}; check "
            "that these are the label maps, and the reduce_zero_label setting"
        )
    if len(labelled) == 1:
        raise UserError(
            f"the {images} label maps of this split in {folder} hold {labelled[0]!r} alone of {len(pixels)} classes, "
            f"and pixels without a label: whatever is predicted would be right. The values are {coding.describe()}; "
            f"give a second class its own value ({_MMSEG_IGNORE} names none), or correct split or class list"
        )


def _refuse_labels_from_zero(total: np.ndarray, coding: _Coding, folder: Path) -> None:
    """Labels 0 to K-1 with 255 for ignore are all legal values under ``reduce_zero_label``, each off by one class."""
    if coding.reduce_zero_label and total[0] and total[_MMSEG_IGNORE] and not total[coding.class_count]:
        raise UserError(
            f"the label maps of {folder} hold 0 and {_MMSEG_IGNORE} but never {coding.class_count}, the last class: "
            "they seem to count classes from 0, so set reduce_zero_label=False. If 0 does mean unlabelled, rewrite "
            f"{_MMSEG_IGNORE} as 0"
        )


def _check_pair(pair: _Pair, coding: _Coding) -> list[int]:
    """Return how often each of the 256 label values occurs."""
    size = verify_image(pair.image)
    try:
        with Image.open(pair.label) as label:
            _refuse_wrong_format(label, pair.label)
            label.load()
            label_size, histogram = label.size, label.histogram()
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged bytes
        raise UserError(f"{pair.label} is not a readable PNG ({error}); restore it") from None
    if label_size != size:
        raise UserError(
            f"{pair.label} is {label_size[0]} x {label_size[1]}, but {pair.image} is {size[0]} x {size[1]}; a label "
            "map needs one pixel per image pixel (when resizing label maps, use nearest-neighbour)"
        )
    for value in range(_VALUES):
        if histogram[value] and not coding.allows(value):
            raise UserError(
                f"{pair.label} has label value {value} ({histogram[value]} pixels); allowed are {coding.describe()}. "
                f"{_other_setting(value, coding)}"
            )
    return histogram


def _refuse_wrong_format(label: Image.Image, path: Path) -> None:
    remedy = "save label maps as 8-bit PNG with one channel (gray or palette) holding the class index"
    if label.format != "PNG":
        raise UserError(f"{path} is a {label.format} file, whose values may not be exact; {remedy}")
    if label.mode not in ("L", "P"):
        raise UserError(f"{path} has pixel type {label.mode}; {remedy}")
    with path.open("rb") as stream:
        bit_depth = stream.read(_PNG_BIT_DEPTH_OFFSET + 1)[_PNG_BIT_DEPTH_OFFSET]
    if label.mode == "L" and bit_depth != 8:  # a decoder spreads 0..15 over 0..255; palette indices stay as they are
        raise UserError(f"{path} has {bit_depth}-bit gray values, which decoders stretch to 8 bits; {remedy}")


def _other_setting(value: int, coding: _Coding) -> str:
    """What a value out of range may be. Void comes first: taken for coding, it would shift every class by one."""
    other = _Coding(coding.class_count, not coding.reduce_zero_label, _MMSEG_IGNORE)
    void = f"If {value} is void, no class of its own, write {coding.ignored[-1]} for it"
    meaning = f"reduce_zero_label={other.reduce_zero_label} would mean {other.describe()}"
    if other.allows(value):
        return f"{void}. Else: {meaning}, which admits {value}: is that how all your labels are coded?"
    return f"{void}; {meaning}, which does not admit {value} either: else correct the label map or the list of classes"
