"""A lock file that one process holds at a time, and that names its owner.

The kernel lets go of a lock when the last process that holds it has ended, however it ended, so no lock goes stale.
Children that inherit the file hold it as well.
"""

from __future__ import annotations

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backbones.errors import MachineError
from backbones.files import open_to_append, write_error


@dataclass(frozen=True)
class Owner:
    """Who holds a lock, as the lock file says; ``gone`` when its process is no more, but its children hold on."""

    name: str = ""
    gone: bool = False

    def __str__(self) -> str:
        return f" ({self.name})" if self.name else ""


def try_lock(path: Path) -> IO[str] | Owner:
    """The lock file, locked until it is closed and signed by this process; or who has it, without waiting.

    The file stays when the lock is let go: were it removed, a process that has just opened it and one that makes it
    anew would both be in.

    Raises:
        WriteError: The file cannot be written.
        MachineError: The file system of its folder has no locks.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(path, error) from None
        stream = open_to_append(path, "a+")
        if not _lock(stream):
            owner = _owner(stream)
            stream.close()
            return owner
        if path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            sign(stream, os.getpid())
            return stream
        stream.close()  # of a folder that was cleared after we opened it: that lock keeps nobody out


def sign(stream: IO[str], process: int) -> None:
    """Name a process of this machine as the owner of a lock that is held.

    Raises:
        WriteError: The file cannot be written.
    """
    try:
        stream.truncate(0)
        print(f"{socket.gethostname()} {process}", file=stream, flush=True)
    except OSError as error:
        raise write_error(stream.name, error) from None


def _lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # of NFS without locks: ENOLCK, EOPNOTSUPP
        stream.close()
        raise MachineError(
            f"{stream.name} cannot be locked ({error.strerror or error}), and without a lock two processes might write "
            "there at once: choose a folder on another disk, or have this one mounted with locks (NFS: version 4)"
        ) from None
    return True


def _owner(stream: IO[str]) -> Owner:
    stream.seek(0)
    host, _, process = stream.read().strip().rpartition(" ")
    if not process.isdecimal():  # it has not signed yet
        return Owner()
    return Owner(f"number {process} on {host}", host == socket.gethostname() and _is_dead(process))


def _is_dead(process: str) -> bool:
    """Whether no process of this number runs here; never where there is no ``/proc`` to tell."""
    try:
        state = Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return Path("/proc/self").exists()
    return state in "ZX"  # dead, and its parent has not asked for its exit code
