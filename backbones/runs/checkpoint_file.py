"""The file that a stopped run goes on from: what every task's checkpoint has in common.

It is written whole or not at all (``backbones.files``), and believed only when its checksums hold and it is of the run
that goes on. The checksums are those that ``torch.save`` stores with each part of its zip archive: CRC-32, which finds
any damage within 32 bits, and all but one in 2^32 of what is wider. ``torch.load`` does not look at them;
``read_checkpoint`` does, so files of earlier versions, and of mmengine, are checked as well.
"""

from __future__ import annotations

import errno
import os
import re
import textwrap
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from backbones.errors import UserError
from backbones.files import read_error
from backbones.machine.lacks import lack_behind
from backbones.reporting.printable import printable
from backbones.runs.run_folder import differences
from backbones.tensor_files import strangeness, tensors_in

LONGEST = 200  # characters of PyTorch's own words
PIECE = 1 << 20  # bytes read at once


class UnusableCheckpoint(UserError):
    """A file is no checkpoint to go on from. What to do about it depends on what else there is: ``remedied``."""


class _Damage(Exception):
    """What does not hold in a file."""


@contextmanager
def remedied(remedy: Callable[[], str]) -> Iterator[None]:
    """Add to whatever says inside that a checkpoint cannot be used what to do then.

    Raises:
        UserError: With both.
    """
    try:
        yield
    except UnusableCheckpoint as error:
        raise UserError(f"{error}; {remedy()}") from error


@contextmanager
def unusable_on_error(words: str) -> Iterator[None]:
    """Whatever PyTorch, pickle or mmengine raise inside, over a file that is something else, becomes one line.

    Args:
        words: What the file then is; the error's own words follow.

    Raises:
        UnusableCheckpoint: Instead of the error. One that is already told passes, and so does what the machine lacks.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # they raise what they like
        if isinstance(error, OSError) or lack_behind(error) is not None:
            raise
        raise UnusableCheckpoint(f"{words} ({_words(error)})") from error


def read_checkpoint(path: str | os.PathLike[str]) -> Any:
    """What ``torch.save`` has written, on the CPU, once every checksum in the file holds.

    Raises:
        UnusableCheckpoint: It is no file, damaged, or holds anything but dense tensors and plain values.
        UserError: It is missing, or the system cannot read it, for which the file is not to blame.
    """
    if not Path(path).is_file():
        if os.path.lexists(path):
            raise UnusableCheckpoint(f"{path} is no checkpoint: a folder, a broken link or a device")
        raise UserError(f"{path}: no such checkpoint")
    try:
        with open(path, "rb") as stream:
            _verify(stream)
            stream.seek(0)
            with unusable_on_error(f"{path}: not a readable checkpoint"):
                content = torch.load(stream, map_location="cpu", weights_only=True)
    except _Damage as damage:
        raise UnusableCheckpoint(f"{path} is damaged ({damage})") from None
    except OSError as error:
        raise read_error(path, error) from None
    for name, tensor in tensors_in(content):
        if kind := strangeness(tensor):
            raise UnusableCheckpoint(f"{path}: {printable(name)} is no plain tensor but {kind}")
    return content


def check_same_run(path: str | os.PathLike[str], there: Any, asked: Mapping[str, Any]) -> None:
    """See that a checkpoint is of the run that is to go on with it.

    Args:
        path: The file.
        there: The record of a run that it holds (``RunFolder.record``).
        asked: That of the run which goes on.

    Raises:
        UnusableCheckpoint: The two runs differ; names in what.
    """
    if not isinstance(there, Mapping):
        raise UnusableCheckpoint(f"{path} does not say of which run it is")
    if different := differences(there, asked):
        raise UnusableCheckpoint(f"{path} belongs to another run ({different})")


def _verify(stream: IO[bytes]) -> None:
    """See that each part of the archive has the bytes that were written."""
    part = "its list of parts"
    try:
        if not zipfile.is_zipfile(stream):
            raise _Damage("it is cut short, or never was one" if stream.seek(0, os.SEEK_END) else "it is empty")
        with zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                part = repr(entry.filename)
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise _Damage(f"{part} is compressed, which torch.save does not do")
                if entry.external_attr:  # one of its bits says "a folder", of which PyTorch reads no byte
                    raise _Damage(f"{part} has attributes, which torch.save gives none")
                with archive.open(entry) as content:
                    while content.read(PIECE):
                        pass
    except (_Damage, MemoryError):
        raise
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # which a place before the file's beginning gives
            raise
        raise _Damage(f"{part}: {_words(error)}") from None
    except Exception as error:  # zipfile raises many kinds for a list of parts that is none
        raise _Damage(f"{part}: {_words(error)}") from None


def _words(error: Exception) -> str:
    """An error in one line; PyTorch's own words about what it does not read advise to switch the protection off."""
    if stranger := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it holds {stranger[1]} besides tensors, and reading that could run code"
    return printable(textwrap.shorten(str(error) or type(error).__name__, LONGEST, placeholder=" …"))
