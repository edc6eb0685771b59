"""What a command prints: any name on any terminal, in one line where one is meant, as long as somebody reads it."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO

from backbones.reporting.printable import printable

_NO_ROOM_FOR_WORDS = b"error: not enough memory, not even to say for what; free some, or ask for less at once\n"


def print_every_name() -> None:
    r"""Have what an encoding lacks printed as Python's escapes: a terminal may be of ASCII, and a name of any bytes."""
    for stream in _streams():
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Print one line where errors go, whatever is in it; quietly nothing where nobody reads it."""
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except MemoryError:
        os.write(2, _NO_ROOM_FOR_WORDS)
    except OSError:
        pass


def without_reader() -> bool:
    """Whether what is printed goes into a pipe that nobody reads any more."""
    return any(_is_unread(stream) for stream in _streams())


def shut_streams() -> None:
    """Hand on what was printed.

    Raises:
        OSError: It cannot be written; ``BrokenPipeError``: nobody reads it.
    """
    for stream in _streams():
        stream.flush()


def silence_streams() -> None:
    """Print nothing more where it cannot be written: Python would try once more while it ends, and complain."""
    for stream in _streams():
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _streams() -> Iterator[TextIO]:
    """Those that there are: a process may be started without."""
    return (stream for stream in (sys.stdout, sys.stderr) if stream is not None)


def _is_unread(stream: TextIO) -> bool:
    try:
        watch = select.poll()
        watch.register(stream.fileno(), select.POLLOUT)
        return any(events & select.POLLERR for _, events in watch.poll(0))
    except (OSError, ValueError):  # it is closed, or no file
        return False
