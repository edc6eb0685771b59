"""Images that two splits of a data set share: a test on what was trained on measures memory, not skill.

Two images are one if their files have the same bytes, whatever they are called and wherever they lie; a file that both
splits name is one, too. A picture that was saved anew, cut or scaled has other bytes and is not noticed.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from backbones.data.folders.image_folder import ImageSplit
from backbones.data.folders.verification import FileStamp, check_each
from backbones.data.source import Member, Source, open_bytes, source_name
from backbones.errors import UserError
from backbones.files import cache_dir, read_json, sha256_file, write_json
from backbones.machine.lacks import blame_machine

REMEDY = "a test on them measures memory: take them out of one of the two, or allow them (--allow-shared-images)"
_MOST_NAMES = 10
_PEEK = 4096  # bytes; images of one size are mostly told apart by as much of their middle
_FORMAT = 1  # of what is remembered

_Side = list[tuple[int, Hashable]]  # images of one split by their places, and what is known of their bytes


@dataclass(frozen=True)
class SplitImages:
    """Image files of one split, for comparison with another's.

    Attributes:
        name: Of the split, for people.
        folder: What the names are relative to.
        file: The name of an image by its place.
        sizes: Bytes of each image (n,).
        stamped: A hash that changes when an image does: over names, sizes and times of change.
        source: Where the bytes of an image are, by its place.
    """

    name: str
    folder: Path
    file: Callable[[int], str]
    sizes: NDArray
    stamped: str
    source: Callable[[int], Source]

    @classmethod
    def of_folder(cls, split: ImageSplit) -> SplitImages:
        """Those of ``train`` or ``val`` of an ImageFolder."""
        digest = hashlib.sha256(os.fsencode(split.root.resolve()))
        for column in (split.files, split.sizes, split.changed):
            digest.update(f"{column.dtype}{column.shape}".encode() + column.tobytes())

        def file(place: int) -> str:
            return os.path.join(split.root.name, os.fsdecode(bytes(split.files[place])))

        return cls(split.title, split.root.parent, file, split.sizes, digest.hexdigest(), split.source)

    @classmethod
    def of_stamps(cls, name: str, root: Path, stamps: Sequence[FileStamp]) -> SplitImages:
        """Those that were stamped below ``root``."""
        digest = hashlib.sha256(os.fsencode(root.resolve()))
        digest.update(os.fsencode(repr([tuple(each) for each in stamps])))
        names = [each.name for each in stamps]
        sizes = np.array([each.size for each in stamps], np.int64)
        return cls(
            name, root, names.__getitem__, sizes, digest.hexdigest(), lambda place: os.path.join(root, names[place])
        )


def shared_images(first: SplitImages, second: SplitImages) -> list[tuple[str, str]]:
    """Images of ``second`` with the bytes of one of ``first``, each behind that one; remembered until an image changes.

    Raises:
        UserError: A file cannot be read.
    """
    key = hashlib.sha256(f"{_FORMAT} {first.stamped} {second.stamped}".encode()).hexdigest()
    record = cache_dir() / "shared" / f"{key}.json"
    try:
        known = read_json(record)["shared"]
        return [(first.file(int(one)), second.file(int(other))) for one, other in known]
    except (UserError, OSError, LookupError, TypeError, ValueError):
        places = _compare(first, second)
        try:
            write_json(record, {"shared": places})
        except OSError as error:
            message = f"the next start will compare images again: {record} cannot be written ({error})"
            warnings.warn(message, stacklevel=2)
    return [(first.file(one), second.file(other)) for one, other in places]


def describe_shared(first: SplitImages, second: SplitImages, shared: Sequence[tuple[str, str]]) -> str:
    """What ``shared_images`` found, in words: the first ten by name, then a count."""
    named = [there if here == there else f"{there} (there {here})" for here, there in shared[:_MOST_NAMES]]
    others = len(shared) - _MOST_NAMES
    names = ", ".join(named) + (f" and {others} more" if others > 0 else "")
    verb = "are images" if len(shared) > 1 else "is an image"
    return f"{len(shared)} of the {len(second.sizes)} images of {second.name} {verb} of {first.name}, too: {names}"


def count_shared(first: SplitImages, second: SplitImages, allowed: bool) -> int:
    """How many images of a test are images of its training; printed if there are any and that is ``allowed``.

    Raises:
        UserError: There are some, and it is not.
    """
    shared = shared_images(first, second)
    if not shared:
        return 0
    what = f"{first.folder}: {describe_shared(first, second, shared)}"
    if not allowed:
        raise UserError(f"{what}; {REMEDY}")
    print(f"note: {what}", flush=True)
    return len(shared)


def _compare(first: SplitImages, second: SplitImages) -> list[tuple[int, int]]:
    """Places of equal files; of several in ``first`` that equal one of ``second``, the first.

    Read is only what could be equal: a part of files that have one size, and the whole of those with an equal part.
    """
    splits = (first, second)
    sizes = np.intersect1d(first.sizes, second.sizes)
    candidates: list[_Side] = []
    for split in splits:
        places = np.flatnonzero(np.isin(split.sizes, sizes))
        candidates.append(list(zip(places.tolist(), split.sizes[places].tolist(), strict=True)))
    for digest in (_peek, _checksum):
        candidates = _in_both([_digested(split, side, digest) for split, side in zip(splits, candidates, strict=True)])
    place_of = {content: place for place, content in reversed(candidates[0])}
    return [(place_of[content], place) for place, content in candidates[1]]


def _digested(split: SplitImages, side: _Side, digest: Callable[[Source], str]) -> _Side:
    found = check_each(digest, [split.source(place) for place, _ in side], f"comparing {split.name}")
    return [(place, (known, new)) for (place, known), new in zip(side, found, strict=True)]


def _in_both(sides: Sequence[_Side]) -> list[_Side]:
    both = set.intersection(*({content for _, content in side} for side in sides))
    return [[each for each in side if each[1] in both] for side in sides]


def _peek(source: Source) -> str:
    """Digest of the middle of a file."""
    with _opened(source) as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _PEEK) // 2)
        return hashlib.sha256(stream.read(_PEEK)).hexdigest()


def _checksum(source: Source) -> str:
    """Digest of a whole file."""
    if not isinstance(source, Member):
        return sha256_file(source)
    with _opened(source) as stream:
        return hashlib.sha256(stream.read()).hexdigest()


@contextmanager
def _opened(source: Source) -> Iterator[IO[bytes]]:
    try:
        with open_bytes(source) as stream:
            yield stream
    except (OSError, ValueError) as error:
        blame_machine(error, f"{source_name(source)} cannot be read")
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{source_name(source)} cannot be read ({reason})") from None
