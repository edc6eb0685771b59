"""Loader processes that the machine fails."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from pytest import CaptureFixture, MonkeyPatch, mark, raises
from torch.utils.data import DataLoader, Dataset

from backbones.data import loader_processes
from backbones.data.loader_processes import WatchedLoader
from backbones.errors import MachineError


class Numbers(Dataset):
    """What ``make`` gives, four times."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.make()


class Unsent:
    """A value that a process cannot hand over, as a tensor without a descriptor to spare."""

    def __reduce__(self) -> NoReturn:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def as_it_is(batch: Any) -> Any:
    return batch


def load(make: Callable[[], Any], workers: int = 2) -> list[Any]:
    start = "fork" if workers else None
    return list(
        WatchedLoader(
            Numbers(make), batch_size=None, num_workers=workers, collate_fn=as_it_is, multiprocessing_context=start
        )
    )


def refuse(code: int, name: str | None = None) -> NoReturn:
    raise OSError(code, os.strerror(code), name)


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """So many files can be opened inside."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = os.dup(0)
    os.close(highest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@mark.parametrize("workers", [0, 2])
def test_what_is_loaded_arrives(workers: int) -> None:
    assert load(lambda: 7, workers) == [7] * 4
    assert not multiprocessing.active_children()


@mark.parametrize("left", [1, 4, 7])
def test_processes_that_cannot_all_start_end_in_one_line(left: int, capsys: CaptureFixture[str]) -> None:
    with (
        descriptors_left(left),
        raises(MachineError, match=r"loader workers cannot work: Too many open files; allow more"),
    ):
        load(lambda: 7)
    assert not multiprocessing.active_children()
    assert capsys.readouterr().err == ""


def test_what_cannot_be_sent_ends_in_one_line_and_not_in_waiting(capfd: CaptureFixture[str]) -> None:
    with raises(MachineError, match="a loader worker cannot hand over its images: Too many open files; allow more"):
        load(Unsent)
    assert not multiprocessing.active_children()
    assert capfd.readouterr().err == ""


def test_a_process_that_is_killed_is_told_with_its_signal() -> None:
    with raises(MachineError, match=r"a loader worker died \(SIGKILL\), most likely because memory ran out: /dev/shm"):
        load(lambda: os.kill(os.getpid(), signal.SIGKILL), workers=1)
    assert not multiprocessing.active_children()


def break_off() -> str:
    """What is sent of this ends in the middle, and so does the process, which has the lock for sending."""

    def send(connection: Connection, content: bytes) -> None:
        os.write(connection.fileno(), content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    Connection._send = send  # type: ignore[attr-defined]
    return "as much as a pipe holds, or more" * 4000


@mark.parametrize("workers", [1, 2])
def test_a_process_that_is_killed_while_it_sends_is_not_waited_for(workers: int, capfd: CaptureFixture[str]) -> None:
    with raises(MachineError, match=r"a loader worker died \(SIGKILL\)"):
        load(break_off, workers)
    assert not multiprocessing.active_children()
    assert capfd.readouterr().err == ""


def test_a_process_that_is_killed_before_it_is_watched_is_told(monkeypatch: MonkeyPatch) -> None:
    said = "DataLoader worker (pid 7) is killed by signal: Killed."

    def die(loader: WatchedLoader) -> NoReturn:
        raise RuntimeError(said)

    monkeypatch.setattr(DataLoader, "__iter__", die)
    with raises(MachineError, match="a loader worker died, most likely because memory ran out"):
        load(lambda: 7)


def test_the_thread_that_pins_ends_without_a_word(monkeypatch: MonkeyPatch, capfd: CaptureFixture[str]) -> None:
    """There is one beside a GPU alone; it too waits for the rest of a message, and PyTorch wakes it by another."""
    heard: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: heard.append(told.thread))
    results, event = multiprocessing.Queue(), multiprocessing.Event()
    pinning, other = (threading.Thread(target=results.get, daemon=True) for _ in range(2))
    event._cond._lock.acquire()  # type: ignore[attr-defined]
    pinning.start()
    os.write(results._writer.fileno(), b"\0\0")  # type: ignore[attr-defined]
    loader_processes._Awaited(results, event, pinning).let_go()
    pinning.join(20)
    results.put((None, None))
    event.set()
    other.start()
    other.join(20)
    assert not pinning.is_alive()
    assert heard == [other]  # any other is heard
    assert capfd.readouterr().err == ""


@mark.parametrize(
    ("fail", "said"),
    [
        (
            lambda: refuse(errno.EACCES, "/images/1.jpg"),
            r"\w+: \[Errno 13\] \w+ denied: '/images/1.jpg'; check its",
        ),
        (
            lambda: refuse(errno.EIO, "/images/1.jpg"),
            r"\w+: \[Errno 5\] Input/output error: '/images/1.jpg'; check disk",
        ),
        (lambda: bytearray(2**62), "Cannot allocate memory; /dev/shm has"),
    ],
    ids=["permission", "disk", "memory"],
)
def test_what_the_machine_refuses_in_a_process_is_told_in_one_line(fail: Callable[[], Any], said: str) -> None:
    with raises(MachineError, match=f"loader workers? cannot work: {said}") as caught:
        load(fail)
    assert "\n" not in str(caught.value)


def test_shared_memory_that_is_read_only_is_told_and_no_folder(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(DataLoader, "__iter__", lambda loader: refuse(errno.EROFS))
    monkeypatch.setattr(loader_processes, "describe_room", lambda: "/dev/shm is read-only")
    with raises(MachineError, match="Read-only file system; /dev/shm is read-only; use --workers 0, or"):
        load(lambda: 7)


def test_a_defect_stays_one() -> None:
    with raises(ZeroDivisionError):
        load(lambda: 1 // 0)
