"""Space on the disk, and one process at a time in one folder."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backbones.errors import UserError
from backbones.runs.locks import Owner, try_lock

_FULL = (errno.ENOSPC, errno.EDQUOT)


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Refuse to begin what cannot be finished; ``needed`` in bytes.

    Raises:
        UserError: Less is free where ``folder`` is, or will be.
    """
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise UserError(
            f"{purpose} needs {in_gigabytes(needed)} in {folder}, but {in_gigabytes(free)} are free; make room or name "
            "a folder on another disk"
        )


def in_gigabytes(size: int) -> str:
    """Bytes for people."""
    return f"{size / 10**9:.1f} GB" if size >= 10**8 else f"{size / 10**6:.3g} MB"


@contextmanager
def writing(path: Path, what_remains: str) -> Iterator[None]:
    """Turn a full disk, or a folder without permission, into one clear message.

    Raises:
        UserError: Anything the file system refuses; ``what_remains`` tells the user what a second start finds.
    """
    try:
        yield
    except OSError as error:
        again = f"and run the same command again ({what_remains})"
        if error.errno in _FULL:
            raise UserError(f"the disk of {path} is full; make room {again}") from error
        reason = error.strerror or error
        raise UserError(
            f"cannot write {error.filename or path}: {reason}; check permissions and disk {again}"
        ) from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a second process out of ``folder``. The lock is the system's: it ends with the process, however that ends.

    Raises:
        UserError: Another process is at work there.
        WriteError: The folder cannot be written to.
    """
    lock = try_lock(folder / ".prepare_data.lock")
    if isinstance(lock, Owner):
        raise UserError(f"another prepare_data.py{lock} is at work in {folder}; wait for it")
    with lock:
        yield
