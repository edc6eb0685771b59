"""The ImageFolder layout, ``ROOT/{train,val}/CLASS/IMAGE``: listed at each start, each image decoded once in its life.

Class indices follow the sorted names of the class folders of ``train``; ``val`` must have the same ones.

Listing asks the file system for every file (a few seconds for ImageNet), so nothing stale can be believed. Decoding all
images takes minutes to an hour; which ones were good is remembered by path, size and time of change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backbones.data.decoded_images import KnownImages
from backbones.data.decoding import what_is_wrong
from backbones.data.folders.image_split import IMAGE_SUFFIXES, ImageFolder, ImageSplit, Listed
from backbones.data.folders.verification import check_each, refuse_irregular
from backbones.errors import UserError
from backbones.machine.lacks import blame_machine

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageFolder",
    "ImageSplit",
    "list_class_folders",
    "open_image_folder",
    "verify_images",
    "verify_splits",
]

_SUFFIXES = tuple(map(os.fsencode, IMAGE_SUFFIXES))
_LISTING_THREADS = 16  # for network file systems, which answer slowly and many at once
_NAMED_IMAGES = 5
_RENAME = "so it cannot be written into results; rename its folders in train and val (convmv does)"
_MOST_NAMES = 10
_REMEMBERED_AT_ONCE = 50_000  # a check that is interrupted loses no more than this


def open_image_folder(root: str | os.PathLike[str]) -> ImageFolder:
    """List the images of both splits; no image is opened.

    Raises:
        UserError: A folder is missing or empty, the splits have different classes, there are fewer than two classes, or
            a class folder holds something that is not an image.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; --data wants one with train/CLASS/IMAGE and val/CLASS/IMAGE")
    classes, (train, val), fingerprint = list_class_folders({"train": root / "train", "val": root / "val"})
    return ImageFolder(root, classes, train, val, fingerprint)


def list_class_folders(folders: Mapping[str, Path]) -> Listed:
    """The images of folders of class folders.

    Args:
        folders: By what the fingerprint calls them. Their classes are those of the first.

    Raises:
        UserError: As ``open_image_folder``.
    """
    first, *others = folders.values()
    classes = _class_names(first)
    for other in others:
        _check_same_classes(first, classes, other, _class_names(other))
    digest = hashlib.sha256()
    splits = tuple(_scan_split(folder, name, classes, digest) for name, folder in folders.items())
    return Listed(tuple(classes), splits, digest.hexdigest()[:16])


def verify_images(folder: ImageFolder, workers: int | None = None) -> None:
    """Decode every image of a data set that was not found good before; see ``verify_splits``."""
    verify_splits((folder.train, folder.val), workers)


def verify_splits(splits: Sequence[ImageSplit], workers: int | None = None) -> None:
    """Decode every image that was not found good before; ``workers`` defaults to the CPUs this process may use.

    Good images are remembered in the cache folder, also when others are bad: after a repair only the repaired ones are
    decoded. A file replaced under its old name is noticed by its size or its ctime, which, unlike the mtime, copying
    does not preserve. (New permissions or hard links change it too, and have the file decoded once more.)

    Raises:
        UserError: Images cannot be decoded. The message names the first ones, and a file with all names if they are
            many.
    """
    known = [KnownImages.of(split.root) for split in splits]
    good = [
        images.contain(split.files, split.sizes, split.changed) for images, split in zip(known, splits, strict=True)
    ]
    bad: dict[str, str] = {}
    for images, split, each in zip(known, splits, good, strict=True):
        pending = np.flatnonzero(~each)
        for first in range(0, len(pending), _REMEMBERED_AT_ONCE):
            places = pending[first : first + _REMEMBERED_AT_ONCE]
            paths = [split.path(place) for place in places]
            sources = [split.source(place) for place in places]
            faults = check_each(what_is_wrong, sources, f"decoding {split.root}, {len(pending) - first} left", workers)
            each[places] = [fault is None for fault in faults]
            images.remember(split.files[each], split.sizes[each], split.changed[each])
            bad.update((path, fault) for path, fault in zip(paths, faults, strict=True) if fault is not None)
    if bad:
        raise UserError(_describe(bad, known[0].write_list(bad) if len(bad) > _NAMED_IMAGES else None))


def _describe(bad: dict[str, str], names: Path | None) -> str:
    (first, reason), *others = bad.items()
    message = f"{first} cannot be read as an image ({reason})"
    if not others:
        return f"{message}; replace or remove it"
    listed = ", ".join(path for path, _ in others[: _NAMED_IMAGES - 1])
    rest = f" and {len(bad) - _NAMED_IMAGES} more" if len(bad) > _NAMED_IMAGES else ""
    rest += f" (all are listed in {names})" if names else ""
    return f"{message}; nor can {len(others)} other{'s' * (len(others) > 1)}: {listed}{rest}. Replace or remove them"


def _class_names(split: Path) -> list[str]:
    if not split.is_dir():
        others = sorted(folder.name for folder in split.parent.iterdir() if folder.is_dir())
        beside = f"; beside it there is {_up_to_ten(others)}: rename the one that is meant" if others else ""
        expected = "--data wants a folder with train/CLASS/IMAGE and val/CLASS/IMAGE"
        divide = ", or hold a part of train out with --split 0.2" if split.name == "val" else ""
        raise UserError(f"{split} is not there; {expected}{beside}{divide}")
    names, outside = [], []
    with os.scandir(split) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                names.append(entry.name)
            elif entry.name.lower().endswith(IMAGE_SUFFIXES):
                outside.append((entry.path, f"lies outside every class folder; move it to {split / 'CLASS'}"))
    _refuse(outside)
    _refuse(
        [
            (str(split / name), "is a class whose name is not in UTF-8, " + _RENAME)
            for name in names
            if not _is_text(name)
        ]
    )
    if len(names) < 2:
        raise UserError(f"{split} has {len(names)} class folders; a classifier needs two or more")
    return sorted(names)


def _is_text(name: str) -> bool:
    """Whether the name of a file is text: one in another encoding could neither be written nor drawn later on."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_same_classes(train_folder: Path, train: list[str], val_folder: Path, val: list[str]) -> None:
    found = []
    one, other = train_folder.name, val_folder.name
    for there, names, missing in ((one, set(train) - set(val), other), (other, set(val) - set(train), one)):
        if len(names) == 1:
            found.append(f"class {names.pop()} is in {there} and not in {missing}")
        elif names:
            found.append(f"classes {_up_to_ten(sorted(names))} are in {there} and not in {missing}")
    if found:
        raise UserError(f"{train_folder.parent}: {', and '.join(found)}; both need the same class folders")


def _up_to_ten(names: Sequence[str]) -> str:
    others = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {others} more" if others > 0 else "")


class _Class(NamedTuple):
    """Images of one class folder, sorted by name; the first three as in ``ImageSplit``.

    ``faults`` are paths, each with what is wrong with it.
    """

    files: np.ndarray
    sizes: np.ndarray
    changed: np.ndarray
    fingerprinted: bytes
    faults: list[tuple[str, str]]


def _refuse(faults: Sequence[tuple[str, str]]) -> None:
    """Tell the first of some faults, and name the files of the others."""
    if faults:
        (path, reason), *others = faults
        more = f" (and {len(others)} more like it: {_up_to_ten([each for each, _ in others])})"
        raise UserError(f"{path} {reason}{more if others else ''}")


def _scan_split(split: Path, name: str, classes: list[str], digest: hashlib._Hash) -> ImageSplit:
    scanned: list[_Class] = []
    faults: list[tuple[str, str]] = []
    with ThreadPoolExecutor(_LISTING_THREADS) as pool:
        for images in pool.map(partial(_scan_class, os.fsencode(name)), [split / each for each in classes]):
            digest.update(images.fingerprinted)
            faults += images.faults
            scanned.append(images._replace(fingerprinted=b""))
    _refuse(faults)
    labels = np.repeat(np.arange(len(classes)), [len(images.files) for images in scanned])
    files, sizes, changed, *_ = zip(*scanned, strict=True)
    return ImageSplit(split, np.concatenate(files), labels, np.concatenate(sizes), np.concatenate(changed))


def _scan_class(split: bytes, folder: Path) -> _Class:
    faults: list[tuple[str, str]] = []
    entries = sorted(_list_images(folder, faults))
    if not entries and not faults:
        faults.append((str(folder), "holds no image; add some, or remove the class from train and val"))
    if faults:
        return _Class(np.empty(0), np.empty(0), np.empty(0), b"", faults)
    prefix = os.fsencode(folder.name) + b"/"
    names, sizes, changed = zip(*entries, strict=True)
    files = [prefix + name for name in names]
    fingerprinted = b"".join([b"%s/%s %d\n" % (split, *each) for each in zip(files, sizes, strict=True)])
    return _Class(np.array(files), np.array(sizes), np.array(changed), fingerprinted, faults)


def _list_images(folder: Path, faults: list[tuple[str, str]]) -> Iterator[tuple[bytes, int, int]]:
    """Name, size and time of change of each image of one class; what is none goes to ``faults``."""
    try:
        with os.scandir(os.fsencode(folder)) as entries:
            for entry in entries:
                if not entry.name.startswith(b"."):
                    try:
                        status = _image_status(entry, folder)
                    except UserError as error:
                        path = os.fsdecode(entry.path)
                        faults.append((path, str(error).removeprefix(f"{path} ")))
                    else:
                        yield entry.name, status.st_size, status.st_ctime_ns
    except OSError as error:
        path = os.fsdecode(error.filename)
        blame_machine(error, f"{path} cannot be listed")
        raise UserError(f"{path} cannot be listed ({error.strerror}); check its permissions") from None


def _image_status(entry: os.DirEntry[bytes], folder: Path) -> os.stat_result:
    """Size and times of an entry of a class folder that is an image by its name.

    Raises:
        UserError: It is none.
    """
    path = os.fsdecode(entry.path)
    if entry.is_dir():
        raise UserError(f"{path} is a folder; images must lie directly in their class folder {folder}")
    if not entry.name.lower().endswith(_SUFFIXES):
        raise UserError(f"{path} is not an image by its name; move it out of {folder}")
    try:
        status = entry.stat()
    except FileNotFoundError:
        raise UserError(f"{path} is a link to nothing; restore its target or remove it") from None
    refuse_irregular(path, status.st_mode)
    return status
