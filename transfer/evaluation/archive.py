"""NumPy archives of others: looked at before anything of them is unpacked.

A file of a few megabytes may say that it holds terabytes, or unpack to gigabytes. What it says is compared with itself
and with limits first; what is unpacked then is at most what was said.
"""

from __future__ import annotations

import math
import reprlib
import stat
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

LARGEST = 2**30  # bytes of all arrays: ten million detections take a quarter of it
LARGEST_FILE = LARGEST  # bytes; larger ones only seem to be an archive
UNSUSPECTED = 2**26  # bytes that may be compressed as much as they can be
MOST_COMPRESSED = 100  # beyond those, times the file's size; results take a half to a tenth of theirs
MOST_ARRAYS = 32
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_FLAGS = 0x080E  # of a member: how well it is packed, where its sum stands, a name in UTF-8; not encrypted, no patch


def read_arrays(path: Path) -> dict[str, NDArray]:
    """All arrays of an ``.npz`` file by name.

    Raises:
        ValueError: It holds what no such file does, or more than the limits; the message says what.
        OSError, EOFError, zipfile.BadZipFile, zlib.error: It cannot be read, or is damaged.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is a folder, a pipe or a device")
    if status.st_size > LARGEST_FILE:
        raise ValueError(f"it has {status.st_size} bytes, more than {LARGEST_FILE}")
    with zipfile.ZipFile(path) as archive:
        _check_members(archive.infolist(), status.st_size)
        for member in archive.infolist():
            _check_array(archive, member)
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays.items())


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    if len(members) > MOST_ARRAYS:
        raise ValueError(f"{len(members)} arrays, more than {MOST_ARRAYS}")
    if strange := [each for each in members if each.compress_type not in _METHODS or each.flag_bits & ~_FLAGS]:
        raise ValueError(f"{strange[0].filename!r} is encrypted, or packed by an unknown method")
    total = sum(member.file_size for member in members)
    if total > LARGEST:
        raise ValueError(f"{total} bytes of arrays, more than {LARGEST}")
    if total > max(UNSUSPECTED, MOST_COMPRESSED * size):
        raise ValueError(f"{total} bytes of arrays in a file of {size}, more than results can be compressed")


def _check_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Shape and type must make the bytes that the member has."""
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"{member.filename!r} is an array of version {version}")
        shape, _, kind = _HEADERS[version](stream)
        start = stream.tell()
    if kind.hasobject:
        raise ValueError(f"{member.filename!r} holds Python objects, which are not read (allow_pickle=False)")
    if start + math.prod(shape) * kind.itemsize != member.file_size:
        raise ValueError(f"{member.filename!r} of shape {reprlib.repr(shape)} is not in its {member.file_size} bytes")


_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
