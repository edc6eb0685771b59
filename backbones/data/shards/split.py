"""The images of all shards of a part, in the place of files in class folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backbones.data.folders.image_split import ImageSplit, Listed
from backbones.data.folders.part_names import PART_WORDS, TRAIN, WHOLE, part_folders, part_of
from backbones.data.folders.verification import check_each
from backbones.data.shards.index import ShardIndex, read_index
from backbones.data.source import Member, Source
from backbones.errors import UserError
from backbones.text_files import read_text

WHAT = "WebDataset shards"
NAMES = "classes.txt"  # a name per line, class 0 first
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_MOST_NAMES = 10


@dataclass(frozen=True)
class ShardSplit(ImageSplit):
    """Images in shards: ``files`` are their names behind those of their shards.

    Attributes:
        archives: Paths of the shards below ``root``, as bytes (m,).
        shard: Which of them an image is in (n,).
        offsets: Its first byte there (n,).
    """

    archives: tuple[bytes, ...] = ()
    shard: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    offsets: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def source(self, index: int) -> Source:
        """Where the bytes of one image are."""
        archive = os.fsdecode(self.archives[self.shard[index]])
        name = os.fsdecode(bytes(self.files[index])).removeprefix(f"{archive}/")
        place = int(self.offsets[index]), int(self.sizes[index])
        return Member(os.path.join(self.root, archive), name, *place)


def find_shards(root: Path) -> dict[str, list[Path]]:
    """The shards of each part: in its folder, or by the names of those directly in ``root``; empty where none are.

    A part's folder that has folders in it is one of class folders, and archives beside them are what it came in.

    Raises:
        UserError: They are compressed.
    """
    folders = part_folders(root)
    if TRAIN in folders:
        found = {part: _archives(folder) for part, folder in folders.items() if not _has_folders(folder)}
        return {part: paths for part, paths in found.items() if paths} if found.get(TRAIN) else {}
    by_part: dict[str, list[Path]] = {}
    for path in [] if folders else _archives(root):
        by_part.setdefault(part_of(path.name) or WHOLE, []).append(path)
    if WHOLE in by_part and len(by_part) > 1:
        named = by_part[WHOLE][0]
        raise UserError(f"{named} does not say which part it is of, as others do; call it train-... or val-...")
    return {part: by_part[part] for part in (*PART_WORDS, WHOLE) if part in by_part}


def _archives(folder: Path) -> list[Path]:
    names = sorted(
        each.name for each in os.scandir(folder) if not each.name.startswith(".") and not os.path.isdir(each)
    )
    packed = [name for name in names if name.lower().endswith(_PACKED)]
    shards = [folder / name for name in names if name.lower().endswith(".tar")]
    if shards and packed:
        raise UserError(
            f"{folder / packed[0]} is compressed, and only parts of plain tars can be read; unpack it to .tar"
        )
    return shards


def _has_folders(folder: Path) -> bool:
    return any(os.path.isdir(folder / name) for name in os.listdir(folder) if name[0] != ".")


def list_shards(root: Path, shards: Mapping[str, Sequence[Path]], parts: Sequence[str]) -> Listed:
    """The images in the shards of some parts.

    Raises:
        UserError: A shard is damaged or wrong (``read_index``), or the classes of one part are others.
    """
    indices = {part: check_each(read_index, shards[part], f"indexing {part} of {root}") for part in parts}
    found = {
        part: {bytes(label) for index in each for label in np.unique(index.labels)} for part, each in indices.items()
    }
    first, *others = parts
    for other in others:
        for has, lacks in ((first, other), (other, first)):
            if lacking := sorted(found[has] - found[lacks]):
                names = ", ".join(label.decode() for label in lacking[:_MOST_NAMES])
                more = f" and {len(lacking) - _MOST_NAMES} more" if len(lacking) > _MOST_NAMES else ""
                raise UserError(f"{root}: no shard of {lacks} has the class {names}{more}, which {has} has")
    labels = sorted(found[first], key=(lambda label: (len(label), label)) if _are_numbers(found[first]) else None)
    if len(labels) < 2:
        raise UserError(f"{root}: the shards of {first} have {len(labels)} classes; a classifier needs two or more")
    digest = hashlib.sha256()
    splits = tuple(_split(root, part, shards[part], indices[part], labels, digest) for part in parts)
    return Listed(_named(root, labels), splits, digest.hexdigest()[:16])


def _are_numbers(labels: set[bytes]) -> bool:
    return all(label.isdigit() and (label == b"0" or not label.startswith(b"0")) for label in labels)


def _named(root: Path, labels: Sequence[bytes]) -> tuple[str, ...]:
    """Names of the classes: those of ``classes.txt`` where shards have numbers, else what shards have."""
    path = root / NAMES
    if not path.is_file() or not _are_numbers(set(labels)):
        return tuple(label.decode() for label in labels)
    try:
        lines = [line.strip() for line in read_text(path).removeprefix("\ufeff").rstrip().split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path} ({error}); give UTF-8 text, a name per line") from None
    if int(labels[-1]) >= len(lines):
        raise UserError(
            f"{path} has {len(lines)} lines, and a shard the class {int(labels[-1])}; name classes from 0 on"
        )
    names = [lines[int(label)] for label in labels]
    if "" in names or len(set(names)) < len(names):
        raise UserError(f"{path} names a class twice, or not at all; write one name per line")
    return tuple(names)


def _split(
    root: Path,
    part: str,
    paths: Sequence[Path],
    indices: Sequence[ShardIndex],
    labels: Sequence[bytes],
    digest: hashlib._Hash,
) -> ShardSplit:
    archives = tuple(os.fsencode(path.relative_to(root)) for path in paths)
    files, changed = [], []
    for path, archive, index in zip(paths, archives, indices, strict=True):
        files.append(np.char.add(archive + b"/", index.names))
        changed.append(np.full(len(index.names), path.stat().st_ctime_ns))
        digest.update(b"%s %s %d\n" % (part.encode(), archive, len(index.names)))
        for column in (index.names, index.labels, index.sizes.astype("<i8")):
            digest.update(column.tobytes())
    known = np.array(labels)
    order = np.argsort(known)
    of_shards = np.concatenate([index.labels for index in indices])
    return ShardSplit(
        root=root,
        files=np.concatenate(files),
        labels=order[np.searchsorted(known, of_shards, sorter=order)],
        sizes=np.concatenate([index.sizes for index in indices]),
        changed=np.concatenate(changed),
        name=part,
        archives=archives,
        shard=np.repeat(np.arange(len(paths)), [len(index.names) for index in indices]),
        offsets=np.concatenate([index.offsets for index in indices]),
    )
