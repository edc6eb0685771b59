"""Contenders in processes of their own: turns, stops, failures, and nothing left behind."""

from __future__ import annotations

import importlib
import operator
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from pytest import raises

from benchmarks.harness.contender import Contender, TurnReporter, race

PROGRAM = """
import subprocess, sys, time

def count(reporter, folder, pause):
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "helper").write_text(str(helper.pid))
    number = 0
    while True:
        time.sleep(pause)
        number += 1
        (folder / "number").write_text(str(number))
        reporter.step_done(number / 2)

def fail(reporter):
    print("as far as this")
    raise KeyError("no such thing")
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that a new process finds, too."""
    (tmp_path / "contender_program.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("contender_program")


def is_running(pid: int) -> bool:
    """Whether there is such a process that has not ended; one that nobody has waited for has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_a_turn_is_so_many_steps_and_nothing_happens_in_between(program: ModuleType, tmp_path: Path) -> None:
    with Contender(program.count, 3, (tmp_path, 0.02), tmp_path / "log") as contender:
        contender.turn()
        contender.turn()
        assert contender.losses == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
        assert contender.peak_bytes > 2**20
        time.sleep(0.2)  # it may do a step before it is stopped
        number = (tmp_path / "number").read_text()
        time.sleep(0.5)
        assert (tmp_path / "number").read_text() == number
        helper = int((tmp_path / "helper").read_text())
        assert is_running(helper)
    assert wait_until(lambda: not is_running(helper))


def test_a_race_takes_turns(program: ModuleType, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("quick", "slow")}
    for folder in folders.values():
        folder.mkdir()
    with (
        Contender(program.count, 2, (folders["quick"], 0.01), tmp_path / "quick.log") as quick,
        Contender(program.count, 2, (folders["slow"], 0.3), tmp_path / "slow.log") as slow,
    ):
        seconds = race({"quick": quick, "slow": slow}, 3)
    assert {name: len(each) for name, each in seconds.items()} == {"quick": 3, "slow": 3}
    assert min(seconds["slow"]) > 0.3
    assert len(quick.reports) == len(slow.reports) == 4  # the first turn warms up


def test_what_a_failing_contender_said_is_told(program: ModuleType, tmp_path: Path) -> None:
    with (
        Contender(program.fail, 1, (), tmp_path / "log") as contender,
        raises(RuntimeError, match=r"(?s)ended before its turn did: as far as this.*KeyError: 'no such thing'"),
    ):
        contender.turn()


def test_a_contender_that_has_no_more_to_do_is_missed(tmp_path: Path) -> None:
    with Contender(operator.methodcaller("step_done", 0.5), 1, (), tmp_path / "log") as contender:
        contender.turn()
        assert contender.losses == [0.5]
        with raises(RuntimeError, match="ended before its turn"):
            contender.turn()


class Collected(list):
    """In place of a connection."""

    send = list.append


def test_a_report_holds_the_losses_since_the_last_one() -> None:
    sent = Collected()
    reporter = TurnReporter(sent, 2)
    for loss in (1.0, 2.0, 3.0):
        reporter.step_done(loss)
    assert [report.losses for report in sent] == [(1.0, 2.0)]
    reporter.step_done()
    assert sent[1].losses == (3.0,)


def test_other_steps_are_counted_anew() -> None:
    sent = Collected()
    reporter = TurnReporter(sent, 4)
    for _ in range(6):
        reporter.step_done()
    reporter.begin(5)
    counts = []
    for _ in range(10):
        reporter.step_done()
        counts.append(len(sent))
    assert counts == [1, 1, 1, 1, 2, 2, 2, 2, 2, 3]
