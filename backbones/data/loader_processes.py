"""Loader processes that fail: told in one line with what the machine lacks, and nothing waits for them.

PyTorch's own ways end in a traceback of many lines, or not at all. What a loader process cannot send is dropped there,
and the main process waits for it for ever, as it does for the rest of a message whose sender was killed; and at its end
Python waits for loader processes, which ignore the signal by which it means to end them, if the loader could not start
all of them.
"""

from __future__ import annotations

import errno
import multiprocessing
import multiprocessing.queues
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from torch.utils.data import DataLoader

from backbones.data.prefetch import REMEDY, SHARED_MEMORY, describe_room
from backbones.errors import MachineError, UserError
from backbones.machine.lacks import lack_behind, led_to, remedy_of
from backbones.machine.siblings import Siblings, free

_DIED = ("DataLoader worker", "Pin memory thread exited")  # how PyTorch's words begin
_UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOSYS)  # of the shared memory
_UNTOLD = 1  # exit status of a process that could not send what it had, for a reason that has no error number


class WatchedLoader(DataLoader[Any]):
    """PyTorch's loader, whose processes end with an error of one line, and with the iteration.

    Iterating raises ``MachineError`` when a process dies, or cannot start, or send what it has loaded.
    """

    def __iter__(self) -> Any:
        if self.num_workers == 0:
            return super().__iter__()
        self.worker_init_fn = _telling(self.worker_init_fn)
        arriving = _Arriving(super().__iter__, getattr(self, "_siblings", None))
        self._siblings = arriving.siblings  # those that persist began earlier
        return arriving


class _Arriving:
    """What loader processes send, from their start on."""

    def __init__(self, start: Callable[[], Iterator[Any]], persisting: Siblings | None) -> None:
        before = set(multiprocessing.active_children())
        self.siblings = persisting
        handler = signal.getsignal(signal.SIGCHLD)
        try:
            self._batches: Iterator[Any] | None = start()
        except Exception as error:
            self._batches = None
            self.siblings = Siblings(set(multiprocessing.active_children()) - before, lambda: None)
            self._end(error)
        finally:
            if threading.current_thread() is threading.main_thread():
                # PyTorch's handler would raise wherever the main process happens to be, for example while it saves.
                # Without it a dead worker is noticed here, when its batch is missing.
                signal.signal(signal.SIGCHLD, handler)
        if started := set(multiprocessing.active_children()) - before:
            self.siblings = Siblings(started, _awaited(self._batches).let_go)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._batches is None:
            raise StopIteration
        try:
            return next(self._batches)
        except (StopIteration, UserError):
            raise
        except Exception as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        """Leave no process behind, and tell of an error.

        Raises:
            Exception: Always; ``MachineError`` if it is the machine's.
        """
        problem = _told(error, self.siblings)
        if problem is None:
            raise error
        with _unheard():
            for each in led_to(error):
                each.__traceback__ = None  # it keeps the iterator, and with it the processes
            self._batches = None
        for process in self.siblings.processes if self.siblings is not None else ():
            process.kill()
            process.join()
        raise problem from None


class _Awaited(NamedTuple):
    """What the main process may wait for in PyTorch's iterator, which is not kept: processes end with it."""

    results: Any
    end: Any
    pinning: threading.Thread | None

    def let_go(self) -> None:
        """Free the main process, when all loader processes are dead, of whatever it waits for.

        That is the rest of a message, and then the lock of the event by which the processes would be told to end.
        """
        heard = threading.excepthook
        threading.excepthook = lambda told: None if told.thread is self.pinning else heard(told)  # told of elsewhere
        self.results._on_queue_feeder_error = lambda *_: None  # PyTorch wakes the thread that pins by one more message
        self.results._writer.close()
        free(self.end._cond._lock)


def _awaited(batches: Any) -> _Awaited:
    return _Awaited(
        batches._worker_result_queue, batches._workers_done_event, getattr(batches, "_pin_memory_thread", None)
    )


def _told(error: Exception, siblings: Siblings | None) -> MachineError | None:
    said_to_have_died = str(error).startswith(_DIED)
    if (said_to_have_died or _breaks_off(error)) and siblings is not None and siblings.died():
        return _told_of_dead(siblings.first)
    if said_to_have_died:
        return _told_of_dead(None)
    code = lack_behind(error)
    if code is None and isinstance(error, OSError) and error.errno in _UNWRITABLE and error.filename is None:
        code = error.errno
    if code is None:
        return None
    said = (str(error).strip().splitlines() or [""])[-1]
    if "[Errno" in said and said.endswith("'"):  # it names a file
        return MachineError(f"a loader worker cannot work: {said}; {remedy_of(code)}")
    # PyTorch's own advice is of no use here.
    return MachineError(f"loader workers cannot work: {os.strerror(code)}; {_ways_out(code)}")


def _breaks_off(error: Exception) -> bool:
    """Whether an error is of a message, or of a descriptor on its way, that has no end."""
    return isinstance(error, (EOFError, ConnectionError)) or (isinstance(error, OSError) and error.errno is None)


def _told_of_dead(status: int | None) -> MachineError:
    if status is not None and status > _UNTOLD:
        return cannot_hand_over(status)
    how = f" ({signal.Signals(-status).name})" if status is not None and status < 0 else ""
    return MachineError(f"a loader worker died{how}, most likely because memory ran out: {describe_room()}; {REMEDY}")


def cannot_hand_over(code: int | None) -> MachineError:
    """What to tell when a loader process cannot send what it has loaded, for the reason that an error number says."""
    if code is None:
        return MachineError(f"a loader worker cannot hand over its images: {describe_room()}; {REMEDY}")
    return MachineError(f"a loader worker cannot hand over its images: {os.strerror(code)}; {_ways_out(code)}")


def _ways_out(code: int) -> str:
    if code in _UNWRITABLE:
        return f"{describe_room()}; use --workers 0, or have {SHARED_MEMORY} where it can be written"
    return f"{describe_room()}; {REMEDY}" if code in (errno.ENOSPC, errno.ENOMEM) else remedy_of(code)


@contextmanager
def _unheard() -> Iterator[None]:
    """Nothing is printed of what fails inside while objects are taken apart: PyTorch's iterator is half made."""
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = before


def _telling(begin: Callable[[int], None] | None) -> Callable[[int], None]:
    return begin if isinstance(begin, partial) and begin.func is _begin else partial(_begin, begin)


def _begin(begin: Callable[[int], None] | None, worker: int) -> None:
    """How a loader process begins: what it cannot send ends it, with the reason as its exit status."""
    multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(_leave)  # type: ignore[attr-defined]
    if begin is not None:
        begin(worker)


def _leave(error: Exception, what: object) -> None:
    os._exit(lack_behind(error) or _UNTOLD)
