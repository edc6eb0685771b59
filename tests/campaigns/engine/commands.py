"""The program's real commands, each in a session of its own, so that nothing of them is left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from campaigns.engine.trial import Ending

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 180.0  # the machine may be busy
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
SECONDS_TO_DUMP = 2.0
_LIBRARIES = re.compile(r"^Extension modules: .*\n?", re.MULTILINE)  # which Python lists behind where it is


class Command:
    """A command that runs.

    What it writes goes to files and not to pipes, which a process that it leaves behind would keep open.
    """

    def __init__(self, words: Sequence[str], prefix: Sequence[str] = ()) -> None:
        """Start it in the project's folder: Python with ``words``, the tool's path first, by ``prefix`` if any."""
        self._output, self._errors = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115 (closed with it)
        self.process = subprocess.Popen(
            [*prefix, sys.executable, *words],
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._errors,
            start_new_session=True,
        )

    def ends_within(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        except BaseException:  # Ctrl-C, which the command's own session does not get
            self.send_to_all(signal.SIGKILL)
            raise
        return True

    def finish(self, seconds: float = SECONDS) -> Ending:
        """Wait for its end; when the time is up, all of its session is killed, after it has said where it is."""
        if self.ends_within(seconds):
            return Ending(self.process.returncode, _text(self._output), _text(self._errors))
        self.send_to_all(signal.SIGABRT)  # has Python write where each thread is
        self.ends_within(SECONDS_TO_DUMP)
        self.send_to_all(signal.SIGKILL)
        self.process.wait()
        return Ending(None, "", _LIBRARIES.sub("", _text(self._errors)))

    def send_to_all(self, number: int) -> None:
        """Send a signal to every process of the session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def leaves_nothing(self, seconds: float) -> bool:
        """Whether all that it has started ends within some time of its own end; else that is ended here."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.1)
        self.send_to_all(signal.SIGKILL)
        return False

    def children(self) -> list[int]:
        """Processes that its first process has started, as Linux tells; none elsewhere."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[1]) == self.process.pid:
                found.append(int(status.parent.name))
        return sorted(found)


def run(words: Sequence[str], seconds: float = SECONDS, prefix: Sequence[str] = ()) -> Ending:
    """Start and finish a command."""
    return Command(words, prefix).finish(seconds)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
