"""Checks of many files, spread over processes."""

from __future__ import annotations

import errno
import importlib
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from pytest import MonkeyPatch, fixture, mark, raises

from backbones.data.folders import verification
from backbones.data.folders.verification import check_each, stamp
from backbones.errors import MachineError, UserError
from backbones.machine.processes import loader_workers, usable_cpus

# Where new processes can import it.
MODULE = """
import os
import signal
import time
from multiprocessing.connection import Connection

from backbones.errors import UserError


def square(number):
    if number == 700:
        raise UserError("number 700 is bad")
    if number == 800:
        time.sleep(0.05)
        raise UserError("number 800 is bad as well")
    return number * number


def die(number):
    if number == 300:
        os._exit(1)


def break_off(number):
    # What is sent of this chunk ends in the middle, and so does the process.

    def send(connection, content):
        os.write(connection.fileno(), content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    if number == 300:
        Connection._send = send
    return number


MARK = "as imported"


def mark(number):
    return MARK
"""


@fixture
def checks(tmp_path: Path, monkeypatch: MonkeyPatch) -> ModuleType:
    """A module of checks."""
    (tmp_path / "some_checks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_checks", raising=False)
    return importlib.import_module("some_checks")


def test_processes_keep_order_and_pass_errors_on(checks: ModuleType) -> None:
    assert check_each(checks.square, range(600), "squares", workers=2) == [number**2 for number in range(600)]
    for workers in (1, 2):
        with raises(UserError, match="number 700 is bad"):
            check_each(checks.square, range(900), "squares", workers)


class Counted:
    """Numbers below ``total``; ``taken`` of them have been asked for."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken = 0

    def __len__(self) -> int:
        return self.total

    def __contains__(self, number: object) -> bool:
        return number in range(self.total)

    def __iter__(self) -> Iterator[int]:
        for number in range(self.total):
            self.taken += 1
            yield number


def test_an_error_comes_before_the_items_are_all_under_way(checks: ModuleType) -> None:
    numbers = Counted(10**6)
    with raises(UserError, match="number 700 is bad"):
        check_each(checks.square, numbers, "squares", workers=2)
    assert 700 < numbers.taken < 2000


@mark.parametrize("way", ["die", "break_off"])
def test_a_dead_process_is_one_clear_error(checks: ModuleType, way: str) -> None:
    with raises(MachineError, match="squares: a process died"):
        check_each(getattr(checks, way), range(600), "squares", workers=2)
    assert not multiprocessing.active_children()


def test_processes_that_cannot_start_are_one_clear_error(checks: ModuleType, monkeypatch: MonkeyPatch) -> None:
    def refuse(workers: int, what: str) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))  # of a lock in a shared memory that is read-only

    monkeypatch.setattr(verification, "process_pool", refuse)
    with raises(
        MachineError, match=r"squares: processes cannot start \(Read-only file system; /dev/shm .*taskset -c 0"
    ):
        check_each(checks.square, range(600), "squares", workers=2)
    assert check_each(checks.square, range(600), "squares", workers=1)[2] == 4


def test_processes_are_new_ones(checks: ModuleType, monkeypatch: MonkeyPatch) -> None:
    """A fork would start with what happened here, and with the locks that other threads held at that moment."""
    monkeypatch.setattr(checks, "MARK", "changed here")
    assert set(check_each(checks.mark, range(300), "marks", workers=2)) == {"as imported"}


def test_a_file_replaced_under_its_old_time_is_another(tmp_path: Path) -> None:
    """Copying and unpacking set the time of modification; no program can set that of the last change."""
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = stamp(tmp_path, path, "gone")
    status = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    after = stamp(tmp_path, path, "gone")
    assert (before.name, before.size) == (after.name, after.size)
    assert before != after


def test_cpus_are_those_that_were_granted(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert (usable_cpus(), loader_workers()) == (3, 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    assert loader_workers() == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cpus() == 64
