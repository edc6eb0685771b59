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
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch

from backbones.errors import UserError
from backbones.files import read_error
from backbones.runs.run_folder import differences

LONGEST = 200  # characters of PyTorch's own words
PIECE = 1 << 20  # bytes read at once


class _Damage(Exception):
    """What does not hold in a file."""


def read_checkpoint(path: str | os.PathLike[str], remedy: str) -> Any:
    """What ``torch.save`` has written, on the CPU, once every checksum in the file holds.

    Args:
        path: The file.
        remedy: What to do when it cannot be used, as the end of a message.

    Raises:
        UserError: It is missing, no file, damaged, or holds anything but tensors and plain values; or the system
            cannot read it, which is not told as damage.
    """
    if not Path(path).is_file():
        if os.path.lexists(path):
            raise UserError(f"{path} is no checkpoint: a folder, a broken link or a device; {remedy}")
        raise UserError(f"{path}: no such checkpoint")
    try:
        with open(path, "rb") as stream:
            _verify(stream)
            stream.seek(0)
            return torch.load(stream, map_location="cpu", weights_only=True)
    except _Damage as damage:
        raise UserError(f"{path} is damaged ({damage}); {remedy}") from None
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except OSError as error:
        raise read_error(path, error) from None
    except Exception as error:  # torch and pickle raise many kinds
        raise UserError(f"{path}: not a readable checkpoint ({_words(error)}); {remedy}") from error


def check_same_run(path: str | os.PathLike[str], there: Any, asked: Mapping[str, Any], remedy: str) -> None:
    """See that a checkpoint is of the run that is to go on with it.

    Args:
        path: The file.
        there: The record of a run that it holds (``RunFolder.record``).
        asked: That of the run which goes on.
        remedy: What to do if it is of another one, as the end of a message.

    Raises:
        UserError: The two runs differ; names in what.
    """
    if not isinstance(there, Mapping):
        raise UserError(f"{path} does not say of which run it is; {remedy}")
    if different := differences(there, asked):
        raise UserError(f"{path} belongs to another run ({different}); {remedy}")


def one_line(error: BaseException) -> str:
    """The words of an error of PyTorch's, shortened to one line."""
    return textwrap.shorten(str(error) or type(error).__name__, LONGEST, placeholder=" …")


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
        raise _Damage(f"{part}: {one_line(error)}") from None
    except Exception as error:  # zipfile raises many kinds for a list of parts that is none
        raise _Damage(f"{part}: {one_line(error)}") from None


def _words(error: Exception) -> str:
    """Why a whole file cannot be read; PyTorch's own words advise to switch its protection off."""
    if stranger := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it holds {stranger[1]} besides tensors, and reading that could run code"
    return one_line(error)
