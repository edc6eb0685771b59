"""One run at work: claimed, logged, stoppable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from backbones.files import WriteError, open_to_append, write_error
from backbones.runs.fingerprint import ROOT
from backbones.runs.locks import Owner, sign, try_lock
from studies.suite.planned_run import PlannedRun

ATTEMPTS = 2  # what has failed once is tried once more
LAST_LINES = 5
SECONDS_TO_STOP = 60.0  # a run that is asked to stop saves first, after its current batch
_SECONDS_TO_DIE = 5.0  # killed
_SECONDS_BETWEEN_LOOKS = 0.05


class RunProcess:
    """The process of a claimed run.

    It holds the claim too: should this one be killed, the run goes on, and nobody else begins it.

    Args:
        run: What to carry out.
        claim: Its lock, held by this process.
        environment: Variables beyond those of this process.

    Raises:
        WriteError: The log cannot be written.
    """

    def __init__(self, run: PlannedRun, claim: IO[str], environment: Iterable[tuple[str, str]]) -> None:
        self.run = run
        self.started = time.monotonic()
        self._claim = claim
        try:
            with open_to_append(run.log) as log:
                print(f"$ {run.printed}", file=log, flush=True)
                # A session of its own: Ctrl-C in the terminal reaches the suite alone, which asks each run to stop.
                self._process = subprocess.Popen(
                    [sys.executable, *run.command],
                    cwd=ROOT,
                    env={**os.environ, **dict(environment)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(claim.fileno(),),
                    preexec_fn=_ignore_slurms_warning,
                )
        except WriteError:
            raise
        except OSError as error:
            raise write_error(run.log, error) from None
        sign(claim, self._process.pid)

    def poll(self) -> int | None:
        """The exit code, once there is one; then the claim is given up."""
        code = self._process.poll()
        if code is not None:
            self._claim.close()
        return code

    def stop(self) -> None:
        """Ask it to save and end."""
        self._signal(signal.SIGINT)

    def wait_stopped(self, seconds: float = SECONDS_TO_STOP) -> None:
        """Give a stopped run time to end; after that, and at Ctrl-C meanwhile, end it and all it started."""
        try:
            self._wait_until_ended(seconds)
        finally:
            if not self.ended:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._wait_until_ended(_SECONDS_TO_DIE)
            self._claim.close()

    @property
    def ended(self) -> bool:
        """Whether it has ended. Can be asked in a signal handler that interrupts ``poll``, which cannot."""
        if self._process.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def _wait_until_ended(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.ended and time.monotonic() < deadline:
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _signal(self, number: int) -> None:
        if not self.ended:
            os.kill(self._process.pid, number)


def claim(run: PlannedRun) -> IO[str] | Owner:
    """The right to carry out a run, or who has it."""
    return try_lock(run.claim)


def last_words(log: Path, count: int = LAST_LINES) -> list[str]:
    """The last lines of a log that are not empty."""
    try:
        text = log.read_bytes()[-20_000:].decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()][-count:]


def _ignore_slurms_warning() -> None:
    """Slurm sends it to every process of a job; the one that waits for the run sees to it."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
