"""Where the bytes of an image are: in a file of its own, or in a part of an archive."""

from __future__ import annotations

import io
import os
from typing import IO, NamedTuple


class Member(NamedTuple):
    """Bytes of a file that lies in an uncompressed archive, which is not unpacked for it.

    Attributes:
        archive: Path of the archive.
        name: Of the file in it, for messages.
        offset: Of its first byte in the archive.
        size: In bytes.
    """

    archive: str
    name: str
    offset: int
    size: int


Source = str | os.PathLike[str] | Member


def open_bytes(source: Source) -> IO[bytes]:
    """A stream of the bytes, which can be sought in.

    Raises:
        OSError: The file, or the archive, cannot be read.
        ValueError: The archive ends before the file in it does.
    """
    if not isinstance(source, Member):
        return open(source, "rb")
    with open(source.archive, "rb") as stream:
        stream.seek(source.offset)
        content = stream.read(source.size)
    if len(content) < source.size:
        raise ValueError(f"{source.archive} ends before it does")
    return io.BytesIO(content)


def source_name(source: Source) -> str:
    """What to call it in messages: a path, which goes on inside an archive."""
    return f"{source.archive}/{source.name}" if isinstance(source, Member) else os.fsdecode(source)
