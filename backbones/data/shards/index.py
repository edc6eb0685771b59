"""What lies where in a shard: names, labels and places of its images, kept in the cache until the archive changes.

WebDataset's own reader goes through a shard from its beginning and shuffles what is in a buffer, so the order depends
on the number of workers and on where a run was stopped. With a place for each image, order and crops are keyed by the
seed as they are for files (``backbones.data.randomness``), and a resumed run ends with the same bits. Archives are gone
through by Python's ``tarfile``, once; nothing is unpacked.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from backbones.data.folders.image_split import IMAGE_SUFFIXES
from backbones.data.folders.table_rows import LABELS
from backbones.data.folders.verification import refuse_irregular
from backbones.errors import UserError
from backbones.files import atomic_path, cache_dir
from backbones.machine.lacks import blame_machine
from backbones.text_files import parse_json

_FORMAT = 1
_IMAGES = tuple(suffix[1:] for suffix in IMAGE_SUFFIXES)
_CLASS, _JSON = "cls", "json"
_LARGEST = {_CLASS: 1024, _JSON: 2**20}  # bytes
_MOST_MEMBERS = 10**8
_END = bytes(1024)  # two blocks of zeros end an archive
_MOST_NAMES = 10


class ShardIndex(NamedTuple):
    """Images of a shard, as arrays (n,): name in it, class, both as bytes; first byte and number of bytes."""

    names: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray


class _Image(NamedTuple):
    """A member; ``tarfile``'s own record of one takes a kilobyte."""

    name: str
    offset: int
    size: int


class _Sample(NamedTuple):
    """What was found of an image: its member, and its class by ``cls`` and by ``json``."""

    image: _Image | None = None
    labels: tuple[tuple[str, str], ...] = ()


def read_index(path: Path) -> ShardIndex:
    """The index of a shard, from the cache where the archive is as it was.

    Raises:
        UserError: It is no whole archive, or its members are not WebDataset's; ten faults are told in one line.
        MachineError: The machine keeps it from being read.
    """
    status = _status(path)
    document = f"{_FORMAT} {path.resolve()} {status.st_size} {status.st_ctime_ns}"
    record = cache_dir() / "shards" / f"{hashlib.sha256(os.fsencode(document)).hexdigest()}.npz"
    try:
        with np.load(record) as stored:
            return ShardIndex(*(stored[name] for name in ShardIndex._fields))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        index = _scan(path)
    try:
        with atomic_path(record) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **index._asdict())
    except OSError as error:
        warnings.warn(
            f"the next start will go through {path} again: {record} cannot be written ({error})", stacklevel=2
        )
    return index


def _status(path: Path) -> os.stat_result:
    try:
        status = path.stat()
    except OSError as error:
        blame_machine(error, f"{path} cannot be read")
        raise UserError(f"{path} cannot be read ({error.strerror}); restore it") from None
    refuse_irregular(path, status.st_mode)
    return status


def _scan(path: Path) -> ShardIndex:
    """Go through an archive by the headers of its members."""
    samples: dict[str, _Sample] = {}
    faults: list[str] = []
    try:
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            members = 0
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # else memory for each of millions
                members += 1
                if members > _MOST_MEMBERS:
                    raise UserError(f"{path} has more than {_MOST_MEMBERS} members; is it the right file?")
                if not member.isdir():
                    faults += _take(member, samples, stream)
            stream.seek(archive.offset)
            if stream.read(len(_END)) != _END:
                raise tarfile.ReadError("it does not end as an archive does")
    except tarfile.TarError as error:
        raise UserError(f"{path} is cut short, damaged, or no uncompressed tar ({error}); fetch it again") from None
    except OSError as error:
        blame_machine(error, f"{path} cannot be read")
        raise UserError(f"{path} cannot be read ({error.strerror or error}); restore it") from None
    return _arrays(path, samples, faults)


def _take(member: tarfile.TarInfo, samples: dict[str, _Sample], stream: IO[bytes]) -> list[str]:
    """Put a member where it belongs; what is wrong with it. Other kinds (captions, masks) are passed over."""
    folder, slash, file = member.name.rpartition("/")
    stem, _, ending = file.partition(".")
    key, ending = f"{folder}{slash}{stem}", ending.lower()
    if not stem or ending not in (*_IMAGES, _CLASS, _JSON):
        return []
    shown = repr(member.name[:80])
    if not member.isreg() or member.issparse():
        return [f"{shown} is a link or another thing that is no plain file"]
    if not member.name.isprintable():
        return [f"{shown} has a name that cannot be printed"]
    sample = samples.get(key, _Sample())
    if ending in _IMAGES:
        if sample.image is not None:
            return [f"{shown} is a second image of {key[:80]!r}"]
        samples[key] = sample._replace(image=_Image(member.name, member.offset_data, member.size))
        return []
    if any(kind == ending for kind, _ in sample.labels):
        return [f"{shown} is there twice"]
    try:
        label = _label(member, ending, stream)
    except ValueError as error:
        return [f"{shown} {error}"]
    samples[key] = sample._replace(labels=(*sample.labels, *([(ending, label)] if label is not None else [])))
    return []


def _label(member: tarfile.TarInfo, kind: str, stream: IO[bytes]) -> str | None:
    """The class that a member names; None where its JSON names none.

    Raises:
        ValueError: It is too large, or holds something else.
    """
    if member.size > _LARGEST[kind]:
        raise ValueError(f"has {member.size} bytes, more than {_LARGEST[kind]}")
    stream.seek(member.offset_data)  # tarfile goes to the next header by itself
    text = stream.read(member.size).decode()  # what is no UTF-8 is a ValueError, too
    if kind == _CLASS:
        label: object = text.strip()
    else:
        record = parse_json(text)
        label = next((record[key] for key in LABELS if key in record), None) if isinstance(record, dict) else None
        if label is None:
            return None
    if not isinstance(label, (str, int)) or isinstance(label, bool) or not str(label).isprintable() or not str(label):
        raise ValueError(f"holds the class {str(label)[:40]!r}, which is no name and no whole number")
    return str(label)


def _arrays(path: Path, samples: dict[str, _Sample], faults: list[str]) -> ShardIndex:
    rows = []
    for key, (image, labels) in samples.items():
        by_kind = dict(labels)
        label = by_kind.get(_CLASS, by_kind.get(_JSON))
        if image is None:
            faults += [f"{key[:80]!r} has a class and no image"] if _CLASS in by_kind else []
        elif label is None:
            faults.append(f"{image.name[:80]!r} has no class beside it (a member {key[:60]}.cls, or label in .json)")
        else:
            rows.append((os.fsencode(image.name), label.encode(), image.offset, image.size))
    if faults:
        more = f"; and {len(faults) - _MOST_NAMES} more" if len(faults) > _MOST_NAMES else ""
        raise UserError(f"{path}: {'; '.join(faults[:_MOST_NAMES])}{more}; write this shard anew")
    if not rows:
        raise UserError(f"{path} holds no image with a class (NAME.jpg beside NAME.cls); take it away")
    names, classes, offsets, sizes = zip(*rows, strict=True)
    return ShardIndex(np.array(names), np.array(classes), np.array(offsets), np.array(sizes))
