"""Unpack archives: nothing outside the folder, nothing but files and folders, all of it or nothing."""

from __future__ import annotations

import errno
import lzma
import os
import platform
import shutil
import stat
import struct
import tarfile
import textwrap
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tarfile import EOFHeaderError, HeaderError, ReadError  # type: ignore[attr-defined]
from typing import IO

from tqdm import tqdm

from backbones.errors import UserError
from backbones.reporting.printable import printable
from transfer.prepare.disk import require_space, writing

_BLOCK = 4096  # a file takes whole blocks
_PIECE = 2**20
# It came to each supported Python with a security release, together with the filter; earlier ones lack both.
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, ValueError, NotImplementedError),  # of headers that make no sense
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_ENCRYPTED = 0x1  # flag of a zip entry
_NO_SUCH_PLACE = (errno.EINVAL, errno.EOVERFLOW)  # of a member that would begin beyond the end of any file
_LONGEST_NAME = 255  # bytes, on nearly all file systems
_LONGEST = 200  # characters of a library's own words: tarfile tells a line for each way in which it tried to read
_FILTER_ERROR = getattr(tarfile, "FilterError", ())


def require_tar_filter() -> None:
    """Before anything is fetched or read: can this Python unpack a tar archive that may be meant to harm?

    Raises:
        UserError: It cannot.
    """
    if not hasattr(tarfile, "data_filter"):
        raise UserError(
            f"Python {platform.python_version()} cannot unpack tar archives safely; use 3.10.12, 3.11.4 or a later "
            "release of one of them, or 3.12 or later (make PYTHON=/path/to/python), or unpack by hand"
        )


def unpack(archives: Sequence[Path], folder: str, target: Path) -> None:
    """Make ``target`` from what the archives hold below ``folder``, which all of them may share.

    It is unpacked beside ``target`` and takes its name when complete; after any error it is gone again.

    Raises:
        UserError: An archive is damaged, encrypted or packed by an unknown method, has a member that is a link or leads
            outside, or lacks ``folder``; or the disk is full.
    """
    needed = sum(_unpacked_size(archive) for archive in archives)
    require_space(target.parent, needed, f"unpacking {', '.join(archive.name for archive in archives)}")
    temporary = target.with_name(f".{target.name}.unpacking")
    with writing(target, "the archives are kept"):
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
        temporary.mkdir(parents=True)
        try:
            for archive in archives:
                _unpack_one(archive, temporary)
            if not (temporary / folder).is_dir():
                raise UserError(f"{archives[0]} holds no folder {folder}; give the published archive")
            os.rename(temporary / folder, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def readable(archive: Path) -> Iterator[None]:
    """Turn what the archive libraries raise on damaged bytes into one message.

    Raises:
        UserError: In their place.
    """
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, _FILTER_ERROR):
            raise UserError(f"{archive} is refused: {error}; give the published archive") from None
        raise _damaged(archive, error) from None
    except OSError as error:
        if error.errno is not None:  # the system's, of which the archive may be innocent
            raise
        raise _damaged(archive, error) from None  # gzip's and bz2's words


def _damaged(archive: Path, error: Exception) -> UserError:
    words = textwrap.shorten(printable(" ".join(str(error).split())), _LONGEST, placeholder=" …")
    return UserError(f"{archive} is damaged ({words}); fetch it again")


class _Member(tarfile.TarInfo):
    """A member of a tar archive, in which nothing but its end mark ends it.

    ``tarfile`` takes a header that makes no sense for the end, so of a damaged archive the rest would be missing in
    silence.
    """

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> tarfile.TarInfo:  # type: ignore[override]
        try:
            return super().fromtarfile(tarfile)
        except EOFHeaderError:
            raise
        except HeaderError as error:
            if tarfile.offset == 0:  # no tar archive, which tarfile tells
                raise
            raise ReadError(f"{error}, at byte {tarfile.offset}") from None


def open_tar(archive: Path | None = None, fileobj: IO[bytes] | None = None) -> tarfile.TarFile:
    """A tar archive, packed or not, that is read to its end mark.

    Raises:
        tarfile.TarError: It is none; later, when it is damaged or has no end. See ``readable``.
    """
    return tarfile.open(archive, fileobj=fileobj, tarinfo=_Member)


def safe_tar_members(tar: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    """The members one by one.

    Raises:
        UserError: One is neither a file nor a folder, or its name leads outside.
    """
    for member in tar:
        _require_safe_name(member.name, archive)
        if not (member.isfile() or member.isdir()):
            raise UserError(f"{archive} is refused: {member.name} is a link or a device; give the published archive")
        yield member


def _unpack_one(archive: Path, folder: Path) -> None:
    with (
        readable(archive),
        tqdm(
            total=archive.stat().st_size, desc=f"unpacking {archive.name}", unit="B", unit_scale=True, disable=None
        ) as bar,
    ):
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                for entry in _safe_zip_entries(zipped, archive):
                    with _told(archive, entry.filename):
                        zipped.extract(entry, folder)
                    bar.update(entry.compress_size)
        else:
            require_tar_filter()
            with open_tar(archive) as tar:
                for member in safe_tar_members(tar, archive):
                    with _told(archive, member.name):
                        tar.extract(member, folder, filter="data")
                    bar.update(member.size)


@contextmanager
def _told(archive: Path, name: str) -> Iterator[None]:
    """Of a member in whose place there is something else, which another one has put there."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError, FileExistsError):
        raise UserError(
            f"{archive} is refused: {name!r} is a file and a folder in it; give the published archive"
        ) from None


def _safe_zip_entries(zipped: zipfile.ZipFile, archive: Path) -> Iterator[zipfile.ZipInfo]:
    for entry in zipped.infolist():
        _require_safe_name(entry.filename, archive)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UserError(f"{archive} is refused: {entry.filename} is a link; give the published archive")
        if entry.flag_bits & _ENCRYPTED:
            raise UserError(
                f"{archive} is encrypted ({entry.filename!r}); unpack it by hand, or give the published archive"
            )
        if entry.compress_type not in _METHODS:
            raise UserError(
                f"{archive}: {entry.filename!r} is packed by method {entry.compress_type}, which Python cannot unpack; "
                "unpack it by hand, or give the published archive"
            )
        yield entry


def _require_safe_name(name: str, archive: Path) -> None:
    if not name:
        raise UserError(f"{archive} is refused: a member has no name; give the published archive")
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1]):
        raise UserError(f"{archive} is refused: {name!r} leads outside the folder; give the published archive")
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise UserError(
            f"{archive} is refused: it holds a name of more than {_LONGEST_NAME} bytes, {name[:40]!r} …; give the "
            "published archive"
        )


def _unpacked_size(archive: Path) -> int:
    try:
        with readable(archive):
            sizes = _sizes(archive)
    except OSError as error:
        if error.errno not in _NO_SUCH_PLACE:
            raise
        raise _damaged(archive, error) from None
    return sum(-(-size // _BLOCK) * _BLOCK for size in sizes)


def _sizes(archive: Path) -> list[int]:
    """Of all members, once the archive has been read to its end."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            return [entry.file_size for entry in _safe_zip_entries(zipped, archive)]
    with open_tar(archive) as tar:
        sizes = [member.size for member in tar]
        while tar.fileobj is not None and tar.fileobj.read(_PIECE):  # at its end gzip compares the checksum
            pass
    return sizes
