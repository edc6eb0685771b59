"""The report of a suite at work: made anew after every run that it shows, beside the runs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from backbones.runs.fingerprint import ROOT
from studies.suite.executors.board import DONE, Status
from studies.suite.executors.local import Reporter

LOG = "report.log"  # below the suite's logs
_PATIENCE = 10.0


class Refreshing:
    """A reporter that passes everything on, and has the report made anew when a compared run is done.

    One process at a time, which nobody waits for: a report that is being made when the next run ends is followed by
    another. What goes wrong with one stands in its log; the suite makes a last report itself, and tells.
    """

    def __init__(self, reporter: Reporter, prepare: Callable[[], tuple[Sequence[str], str]]) -> None:
        """``prepare`` links the runs, and gives the command's words and the log's path."""
        self._reporter = reporter
        self._prepare = prepare
        self._process: subprocess.Popen[bytes] | None = None
        self._due = False

    def changed(self, status: Status, what: str) -> None:
        """Pass it on, and see whether it makes a new report due."""
        self._reporter.changed(status, what)
        self._due |= status.state == DONE and not status.cached and status.run.compared
        self._begin()

    def tick(self) -> None:
        """Pass it on."""
        self._reporter.tick()
        self._begin()

    def close(self) -> None:
        """End what is still at work."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _begin(self) -> None:
        if not self._due or (self._process is not None and self._process.poll() is None):
            return
        self._due = False
        with contextlib.suppress(OSError):  # a report less; the suite's runs go on
            words, log = self._prepare()
            with open(log, "wb") as stream:
                self._process = subprocess.Popen(
                    [sys.executable, *words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
                )


@contextlib.contextmanager
def refreshing(reporter: Reporter, prepare: Callable[[], tuple[Sequence[str], str]]) -> Iterator[Refreshing]:
    """Such a reporter, whose process is at an end when the suite's runs are."""
    found = Refreshing(reporter, prepare)
    try:
        yield found
    finally:
        found.close()
