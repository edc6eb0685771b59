"""Ctrl-C and SIGTERM as a request that is granted between two batches."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")


@contextmanager
def ignored(number: int) -> Iterator[None]:
    """Nothing happens on this signal inside; outside the main thread, Python's handlers stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, previous)


class StopSignal:
    """Context in which the first SIGINT or SIGTERM only sets ``requested``; a second one interrupts at once.

    ``patient``: the second one changes nothing either. ``torchrun`` passes on to its processes the Ctrl-C that the
    terminal has sent them already. Outside the main thread, where Python allows no signal handlers, nothing is ever
    requested.
    """

    def __init__(self, patient: bool = False) -> None:
        self.requested = False
        self._patient = patient
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested and not self._patient:
            raise KeyboardInterrupt("stopped at once; what was not saved is lost")
        self.requested = True

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, until a stop is requested: then ``KeyboardInterrupt``. For work that can be done again."""
        for item in items:
            if self.requested:
                raise KeyboardInterrupt("continue with --resume")
            yield item
