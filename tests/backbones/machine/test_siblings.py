"""Processes of which one dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.process import BaseProcess
from typing import NoReturn

from pytest import MonkeyPatch, mark, raises

from backbones.machine.siblings import Siblings, free

pytestmark = mark.processes
FORK = multiprocessing.get_context("fork")


def _started(*ends: int | float) -> list[BaseProcess]:
    """Processes that exit with a status, or by the negative number of a signal, or, of a fraction, so late."""

    def end(how: int | float) -> None:
        if isinstance(how, float):
            time.sleep(how)
        elif how < 0:
            os.kill(os.getpid(), -how)
        else:
            os._exit(how)

    processes: list[BaseProcess] = [FORK.Process(target=end, args=(how,)) for how in ends]
    for process in processes:
        process.start()
    return processes


@mark.parametrize("how", [3, -signal.SIGKILL, -signal.SIGTERM])
def test_all_end_with_the_first_that_dies(how: int) -> None:
    called = threading.Event()
    siblings = Siblings(_started(0, 60.0, how), called.set)
    assert siblings.died()
    assert siblings.first == how
    assert called.is_set()
    for process in siblings.processes:
        process.join(20)
    assert [process.exitcode for process in siblings.processes] == [0, -signal.SIGKILL, how]


def test_nobody_is_killed_when_all_end_well() -> None:
    called = threading.Event()
    siblings = Siblings(_started(0, 0.2), called.set)
    for process in siblings.processes:
        process.join(20)
    assert [process.exitcode for process in siblings.processes] == [0, 0]
    assert not siblings.died()
    assert not called.is_set()


def test_without_a_thread_to_watch_them_nobody_is_left(monkeypatch: MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    processes = _started(60.0, 60.0)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with raises(RuntimeError, match="can't start"):
        Siblings(processes, lambda: None)
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [-signal.SIGKILL] * 2


def test_none_at_all_have_not_died() -> None:
    began = time.monotonic()
    assert not Siblings([], lambda: None).died()
    assert time.monotonic() - began < 1


@mark.parametrize("held", [False, True])
def test_a_lock_is_free_after_it(held: bool) -> None:
    lock = FORK.Lock()
    if held:
        taker = FORK.Process(target=lock.acquire)
        taker.start()
        taker.join(20)
    free(lock)
    assert lock.acquire(timeout=1)
