"""MD5 of large files. It is what the publishers give; it guards against accidents, not against forgery."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tqdm import tqdm

from backbones.errors import UserError

_PIECE = 1 << 20
_SECONDS_BEFORE_BAR = 2.0


def md5_file(path: Path) -> str:
    """Hexadecimal MD5; a bar after two seconds, on a terminal only.

    Raises:
        UserError: The file cannot be read.
    """
    digest = hashlib.md5(usedforsecurity=False)
    if path.exists() and not path.is_file():  # a pipe or a device may never end
        raise UserError(f"{path} is no regular file; give the archive itself")
    try:
        with (
            path.open("rb") as stream,
            tqdm(
                total=path.stat().st_size,
                desc=f"verifying {path.name}",
                unit="B",
                unit_scale=True,
                delay=_SECONDS_BEFORE_BAR,
                disable=None,
                leave=False,
            ) as bar,
        ):
            while piece := stream.read(_PIECE):
                digest.update(piece)
                bar.update(len(piece))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check that it is a readable file") from None
    return digest.hexdigest()


def require_md5(path: Path, expected: str, remedy: str) -> None:
    """Refuse a file with other bytes than the published ones.

    Raises:
        UserError: It differs or cannot be read.
    """
    actual = md5_file(path)
    if actual != expected:
        raise UserError(
            f"{path} is damaged or another file: its MD5 is {actual}, the published one {expected} "
            f"({path.stat().st_size} bytes); {remedy}"
        )
