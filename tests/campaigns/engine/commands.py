"""The program's real commands, each in a session of its own so that nothing of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from campaigns.engine.trial import Ending

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 180.0  # the machine may be busy
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def start(words: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a command, given from the tool's path on, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], seconds: float = SECONDS) -> Ending:
    """Wait for a command; after ``seconds`` all of its session is killed."""
    try:
        output, errors = process.communicate(timeout=seconds)
        return Ending(process.returncode, output, errors)
    except subprocess.TimeoutExpired:
        kill(process)
        _, errors = process.communicate()
        return Ending(None, "", errors)


def kill(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Send a signal to all processes of a command's session."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def run(words: Sequence[str], seconds: float = SECONDS, environment: Mapping[str, str] | None = None) -> Ending:
    """Start and finish."""
    return finish(start(words, environment), seconds)
