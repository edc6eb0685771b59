"""A call in a process of its own, with limits on time and memory: as quick as a fork, and judged as a command is."""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from backbones.errors import EXIT_USER_ERROR, UserError
from backbones.reporting.printable import printable
from campaigns.engine.trial import Ending

SECONDS = 20.0  # of a processor, or of waiting
BUSY = 15  # times as long at most, if other programs have the processors
MEMORY = 2**30  # bytes more than the process has as it begins
_STATUS = Path("/proc/self/statm")


class SoundBeforeError(Exception):
    """What a check has found sound was refused by what comes after it."""


def call(function: Callable[[], Any], seconds: float = SECONDS, memory: int = MEMORY) -> Ending:
    """What becomes of a call: code 0 with the ``repr`` of what it returns, 2 with the message of a ``UserError``.

    Standard output and standard error of the call are thrown away. Modules that the call needs are best imported
    before, so that they are imported once.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_the_child(function, writer, memory)
    os.close(writer)
    try:
        return _wait(child, reader, seconds)
    finally:
        os.close(reader)


def _be_the_child(function: Callable[[], Any], writer: int, memory: int) -> NoReturn:
    """Call, send what came of it, and leave without running what the parent has registered for its end."""
    ending = Ending(1, "", "Traceback (most recent call last)\nno ending was made")
    try:
        faulthandler.disable()  # which would write where pytest has told it to
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        _limit_memory(memory)
        os.fsync = lambda fd: None  # no power cut is tried here, and waiting for disks takes nearly all the time
        ending = _outcome(function)
    finally:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(pickle.dumps(ending))
        os._exit(0)


def _outcome(function: Callable[[], Any]) -> Ending:
    try:
        return Ending(0, repr(function()))
    except UserError as error:
        return Ending(EXIT_USER_ERROR, "", f"error: {printable(error)}\n")  # as run_command says it
    except BaseException:
        return Ending(1, "", traceback.format_exc())


def _limit_memory(memory: int) -> None:
    if _STATUS.is_file():  # elsewhere than on Linux the limit is the machine's
        used = int(_STATUS.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, resource.RLIM_INFINITY))


def _wait(child: int, reader: int, seconds: float) -> Ending:
    parts: list[bytes] = []
    patience = _Patience(child, seconds)
    while patience.goes_on():
        if not select.select([reader], [], [], min(1.0, seconds / 4))[0]:
            continue
        part = os.read(reader, 1 << 16)
        if not part:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return pickle.loads(b"".join(parts)) if parts else Ending(code or 1, "", "it died without a word")
        parts.append(part)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Ending(None)


class _Patience:
    """How long a child is waited for: so long on a processor, or so long without wanting one."""

    def __init__(self, child: int, seconds: float) -> None:
        self._status = Path(f"/proc/{child}/stat")
        self._seconds = seconds
        self._begun = self._looked = time.monotonic()
        self._asleep = 0.0

    def goes_on(self) -> bool:
        """Whether it is too early to call it a hang; to be asked every second or more often."""
        now = time.monotonic()
        if not self._status.is_file():  # elsewhere than on Linux the clock decides
            return now - self._begun < self._seconds
        fields = self._status.read_text().rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        if fields[0] != "R":
            self._asleep += now - self._looked
        self._looked = now
        return max(used, self._asleep) < self._seconds and now - self._begun < BUSY * self._seconds


def is_possible() -> bool:
    """Whether calls can be made here."""
    return sys.platform != "win32"
