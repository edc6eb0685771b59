"""The report of a suite at work: after every run, one at a time, and never in the runs' way."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studies.suite.executors.board import DONE, FAILED, Status
from studies.suite.executors.refresh import Refreshing, refreshing
from studies.suite.planned_run import PlannedRun

pytestmark = pytest.mark.processes


class Silent:
    def __init__(self) -> None:
        self.told: list[str] = []

    def changed(self, status: Status, what: str) -> None:
        self.told.append(what)

    def tick(self) -> None:
        self.told.append("tick")


def wait(report: Refreshing) -> None:
    end = time.monotonic() + 20
    while report._process is not None and report._process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_every_run_that_is_done_is_in_a_report(tmp_path: Path, planned: Callable[..., PlannedRun]) -> None:
    made = tmp_path / "made.txt"
    script = f"import time; time.sleep(0.3); open({str(made)!r}, 'a').write('x')"
    silent = Silent()
    with refreshing(silent, lambda: (["-c", script], str(tmp_path / "report.log"))) as report:
        run = Status(planned("one"))
        run.state = FAILED
        report.changed(run, "failed")
        assert report._process is None  # nothing new to show
        run.state = DONE
        report.changed(run, "done")
        assert report._process is not None  # and nobody waits for it
        assert not made.exists()
        report.changed(run, "done")
        report.changed(run, "done")  # two more while the first is made: one report for both
        wait(report)
        report.tick()
        wait(report)
        report.tick()
        assert made.read_text() == "xx"
    assert silent.told == ["failed", "done", "done", "done", "tick", "tick"]


def test_what_was_done_before_makes_no_report(tmp_path: Path, planned: Callable[..., PlannedRun]) -> None:
    def prepare() -> Any:
        raise AssertionError

    with refreshing(Silent(), prepare) as report:
        run = Status(planned("one"), state=DONE, cached=True)
        report.changed(run, "done before")
        report.tick()


def test_a_report_that_fails_or_hangs_leaves_the_suite_alone(
    tmp_path: Path, planned: Callable[..., PlannedRun]
) -> None:
    run = Status(planned("one"), state=DONE)
    with refreshing(Silent(), lambda: (["-c", "raise SystemExit('no luck')"], str(tmp_path / "log"))) as report:
        report.changed(run, "done")
        wait(report)
    assert (tmp_path / "log").read_text().strip() == "no luck"
    with refreshing(Silent(), lambda: (["-c", "pass"], str(tmp_path / "no folder" / "log"))) as report:
        report.changed(run, "done")
    began = time.monotonic()
    with refreshing(Silent(), lambda: (["-c", "import time; time.sleep(60)"], str(tmp_path / "log"))) as report:
        report.changed(run, "done")
    assert time.monotonic() - began < 15
    assert report._process.poll() is not None
