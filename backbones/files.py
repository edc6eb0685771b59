"""Files that are either whole or absent."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from backbones.errors import MachineError, UserError
from backbones.machine.lacks import blame_machine, remedy_of
from backbones.text_files import parse_json, read_text

PART_SUFFIX = ".part"
# A full disk, a quota, a limit to the size of files, a disk that has become read-only.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class WriteError(UserError, OSError):
    """A file cannot be written."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` that takes its name on success and disappears on any error.

    Raises:
        WriteError: The file cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=PART_SUFFIX)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            os.chmod(temporary, 0o666 & ~_umask())  # mkstemp is private; a result is an ordinary file
            _flush(temporary)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except WriteError:  # from a file that is written inside this one's context; it names that file
        raise
    except OSError as error:
        raise write_error(path, error) from None


def write_error(path: str | os.PathLike[str], error: OSError) -> WriteError:
    """What to tell of an error of the system while a file was written."""
    problem = WriteError(f"cannot write {path}: {error.strerror or error}; {_to_write(error.errno)}")
    problem.errno = error.errno
    return problem


def _to_write(code: int | None) -> str:
    # A permission may lack for the file, for its folder, or for the whole disk.
    return remedy_of(None if code in (errno.EACCES, errno.EPERM) else code)


def read_error(path: str | os.PathLike[str], error: OSError) -> UserError:
    """What to tell of an error of the system while a file was read."""
    return MachineError(f"cannot read {path}: {error.strerror or error}; {remedy_of(error.errno)}")


@contextmanager
def full_disk_told(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Tell in one line of a disk that takes no more, whichever library was about to write something in a folder.

    Raises:
        WriteError: Instead of the system's own error; one that names its file already passes.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise write_error(error.filename or folder, error) from error


@contextmanager
def emptied_on_error(folder: Path) -> Iterator[None]:
    """On any error inside, a folder holds the files that it held before: half a report is in the way of a whole one."""
    there = set(folder.iterdir()) if folder.is_dir() else None
    try:
        yield
    except BaseException:
        for entry in set(folder.iterdir() if folder.is_dir() else ()) - (there or set()):
            entry.unlink()
        if there is None and folder.is_dir():
            folder.rmdir()
        raise


def open_to_append(path: str | os.PathLike[str], mode: str = "a") -> IO[str]:
    """Open a file that grows where it is: a log, or a lock that names its owner. It is made if it is not there.

    A folder that someone else has made may hold a link under the file's name, and writing through it would change a
    file anywhere; a pipe of that name would keep the program waiting. Both are refused before a byte is written.

    Args:
        path: The file.
        mode: "a", or "a+" to read it as well.

    Raises:
        WriteError: There is a link or something else that is no regular file, or the system refuses.
    """
    try:
        return open(path, mode, encoding="utf-8", opener=_open_regular)
    except WriteError:
        raise
    except OSError as error:
        raise write_error(path, error) from None


def _open_regular(path: str, flags: int) -> int:
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)  # a pipe without a reader would block
    except OSError as error:
        if Path(path).is_symlink():
            raise WriteError(
                f"{path} is a symbolic link, and nothing is written through one; delete it (what it leads to stays)"
            ) from None
        if error.errno == errno.ENXIO:  # a pipe without a reader
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _not_regular(path)
    os.set_blocking(handle, True)
    return handle


def _not_regular(path: str) -> WriteError:
    return WriteError(f"{path} is not a regular file, so nothing is written to it; delete it")


def append_line(path: str | os.PathLike[str], line: str) -> None:
    """Add a line to a file in a single write.

    Raises:
        WriteError: The file cannot be written.
    """
    stream = open_to_append(path)
    try:
        with stream:
            stream.write(line + "\n")
    except OSError as error:
        raise write_error(path, error) from None


def _flush(path: Path) -> None:
    """Have the bytes on the disk before the name is: else a power cut could leave the new name on an empty file."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file atomically.

    Libraries that write files themselves have errors of their own for a full disk. Have them write to memory, and hand
    the bytes over here: by ``BytesIO.getvalue``, which copies nothing. A view of them in an error's traceback would
    make Python 3.13 and later complain at exit.

    Raises:
        WriteError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def as_bytes(text: str) -> bytes:
    """A text as it is written: in UTF-8, and the bytes of a name that is none as Python's escapes."""
    return text.encode("utf-8", "backslashreplace")


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write indented JSON atomically; NaN and infinity are refused, because JSON has neither."""
    write_bytes(path, (json.dumps(data, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file; ``UserError`` when it is missing, cannot be read or is not JSON."""
    try:
        return parse_json(read_text(path))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder where a file should be; move it away") from None
    except OSError as error:
        raise read_error(path, error) from None
    except ValueError as error:  # of UTF-8, too
        raise UserError(f"{path} is not valid JSON ({error}); delete it or restore it") from None


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in pieces; ``UserError`` when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        blame_machine(error, f"cannot read {path}")
        raise UserError(f"cannot read {path}: {error.strerror or error}; check that it is a readable file") from None
    return digest.hexdigest()


def cache_dir() -> Path:
    """Folder for things that can be made again: ``$CARRYOVER_CACHE``, else ``~/.cache/carryover``.

    Raises:
        MachineError: The user has no home folder, as some containers have it.
    """
    if chosen := os.environ.get("CARRYOVER_CACHE"):
        return Path(chosen)
    try:
        return Path.home() / ".cache" / "carryover"
    except RuntimeError:
        raise MachineError(
            "the user has no home folder, where it is remembered which images are sound; set HOME, or CARRYOVER_CACHE, "
            "to a folder that can be written"
        ) from None
