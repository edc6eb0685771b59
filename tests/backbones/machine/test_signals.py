"""Signals become requests, once."""

from __future__ import annotations

import os
import signal
import threading

from pytest import mark, raises

from backbones.machine.signals import StopSignal


@mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(number: int) -> None:
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
        with raises(KeyboardInterrupt, match="at once"):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


@mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_patient_are_not_moved_by_a_second_signal(number: int) -> None:
    before = signal.getsignal(number)
    with StopSignal(patient=True) as stop:
        assert not stop.requested
        for _ in range(3):
            os.kill(os.getpid(), number)
        assert stop.requested
    assert signal.getsignal(number) is before


def test_watched_work_ends_at_the_next_item() -> None:
    with StopSignal() as stop:
        items = stop.watch(range(5))
        assert [next(items), next(items)] == [0, 1]
        os.kill(os.getpid(), signal.SIGINT)
        with raises(KeyboardInterrupt, match="--resume"):
            next(items)


def test_outside_the_main_thread_signals_stay_as_they_are() -> None:
    seen = []

    def work() -> None:
        with StopSignal() as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, signal.getsignal(signal.SIGINT))]
