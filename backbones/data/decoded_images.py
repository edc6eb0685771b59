"""Which images of a folder were found good, so that only new and changed ones are decoded again."""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backbones.data import decoding
from backbones.data.folders.verification import checks_fingerprint
from backbones.data.jpeg import scan as jpeg_scan
from backbones.files import atomic_path, cache_dir, write_bytes

_COLUMNS = ("files", "sizes", "changed")


@dataclass(frozen=True)
class KnownImages:
    """Good images below ``root``, kept in the file ``record``; arrays as in ``ImageSplit``."""

    root: Path
    record: Path
    files: np.ndarray
    sizes: np.ndarray
    changed: np.ndarray

    @classmethod
    def of(cls, root: Path) -> KnownImages:
        """What is remembered about a folder: nothing, if the decoder has changed or the record cannot be read."""
        code = checks_fingerprint([Path(decoding.__file__), Path(jpeg_scan.__file__)])
        verdict = f"{code} {root.resolve()}"
        record = cache_dir() / "images" / f"{hashlib.sha256(os.fsencode(verdict)).hexdigest()[:32]}.npz"
        try:
            with np.load(record) as stored:
                columns = [stored[name] for name in _COLUMNS]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            columns = [np.empty(0, dtype=kind) for kind in ("S1", np.int64, np.int64)]
        return cls(root, record, *columns)

    def contain(self, files: np.ndarray, sizes: np.ndarray, changed: np.ndarray) -> np.ndarray:
        """Which of these images (n,) are known, unchanged since, as booleans (n,)."""
        if not len(self.files):
            return np.zeros(len(files), dtype=bool)
        order = np.argsort(self.files, kind="stable")
        places = np.searchsorted(self.files, files, sorter=order)
        places = order[np.minimum(places, len(order) - 1)]
        return (self.files[places] == files) & (self.sizes[places] == sizes) & (self.changed[places] == changed)

    def remember(self, files: np.ndarray, sizes: np.ndarray, changed: np.ndarray) -> None:
        """Replace the record of these images; what is known of others stays, for a run may use a part of a folder."""
        known = KnownImages.of(self.root)  # another part of the folder may have been remembered since
        if len(known.files):
            others = ~np.isin(known.files, files)
            new, old = (files, sizes, changed), (known.files, known.sizes, known.changed)
            files, sizes, changed = (np.concatenate([one, two[others]]) for one, two in zip(new, old, strict=True))
        try:
            with atomic_path(self.record) as temporary, temporary.open("wb") as stream:
                columns: dict[str, Any] = dict(zip(_COLUMNS, (files, sizes, changed), strict=True))
                np.savez(stream, **columns)
        except OSError as error:
            warnings.warn(
                f"the next start will decode {self.root} again: {self.record} cannot be written ({error})", stacklevel=3
            )

    def write_list(self, paths: Iterable[str]) -> Path | None:
        """Write paths, one per line, beside the record; returns where, None if that is impossible."""
        target = self.record.with_suffix(".unreadable.txt")
        try:
            write_bytes(target, b"".join(os.fsencode(path) + b"\n" for path in paths))
        except OSError:
            return None
        return target
