"""A fingerprint of code from the cache folder, as long as every file that it was made of has the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from backbones.errors import UserError
from backbones.files import cache_dir, read_json, sha256_file, write_json

ROOMS = ("backbones", "transfer", "studies", "benchmarks", "tools", "det_configs", "seg_configs")

Made = tuple[str, Mapping[Path, str]]  # a fingerprint, and the SHA-256 of each file that was read for it


def remembered(root: Path, asked: Iterable[str], make: Callable[[], Made]) -> str:
    """What ``make`` gives, or has given before.

    Reading and resolving a hundred modules takes a second or two of every start, and comparing their bytes a twentieth.
    A module that is added may give an old name another meaning, so the list of all modules has to be the same, too.

    Args:
        root: Folder of the project.
        asked: What the fingerprint is of.
        make: Makes it anew.
    """
    # What Python writes for the same code is not the same in all its versions.
    known_by = json.dumps([*asked, str(root), _listed(root), sys.version_info[:2]])
    place = cache_dir() / "code" / f"{hashlib.sha256(known_by.encode()).hexdigest()}.json"
    with contextlib.suppress(UserError, OSError, KeyError, TypeError, AttributeError):  # then it is made anew
        record = read_json(place)
        if all(sha256_file(Path(path)) == digest for path, digest in record["files"].items()):
            return str(record["code"])
    code, files = make()
    with contextlib.suppress(OSError):  # the next start takes as long as this one
        write_json(place, {"code": code, "files": {str(path): digest for path, digest in files.items()}})
    return code


def _listed(root: Path) -> str:
    names = sorted(str(path.relative_to(root)) for room in ROOMS for path in (root / room).rglob("*.py"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
