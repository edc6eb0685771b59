"""Speed, data wait and the lines that are printed."""

from __future__ import annotations

import io
import sys
import time

from pytest import CaptureFixture, MonkeyPatch, approx, fixture

from backbones.monitoring.progress import BatchClock, Effort, Progress


class Clock:
    """A clock that goes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@fixture
def clock(monkeypatch: MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_clock_of_batches_separates_waiting_training_and_the_rest(clock: Clock) -> None:
    def batches() -> object:
        for _ in range(3):
            clock.now += 1.0  # the batch is not ready
            yield "batch"

    clock_of_batches = BatchClock()
    for _ in clock_of_batches.timed(batches()):
        clock.now += 3.0  # the step
        clock_of_batches.batch_done(8)
        clock.now += 50.0  # evaluation, saving
    assert clock_of_batches.effort == Effort(images=24, seconds=12.0, waiting=3.0)
    assert clock_of_batches.effort.images_per_second == approx(2.0)
    assert clock_of_batches.effort.data_wait == approx(0.25)


def test_no_time_is_no_speed() -> None:
    assert (Effort().images_per_second, Effort().data_wait) == (0.0, 0.0)


def test_without_a_terminal_a_line_comes_every_thirty_seconds(clock: Clock, capsys: CaptureFixture[str]) -> None:
    progress = Progress(total_steps=100, done_steps=0)
    for step in range(1, 11):
        clock.now += 10.0
        progress.update(step, 1.5, 0.05, Effort(10 * step, 10.0 * step, 1.0 * step))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0] == "batch 3/100: loss 1.500, lr 0.05, 1 img/s, data wait 10%, 16:10 left"


def test_time_left_goes_by_this_start_only(clock: Clock) -> None:
    progress = Progress(total_steps=100, done_steps=90)
    clock.now += 5.0
    assert progress.remaining(95) == "00:05"


def test_quiet_shows_nothing_anywhere(clock: Clock, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress(total_steps=4, done_steps=0, quiet=True)
    clock.now += 40.0
    progress.update(2, 1.5, 0.05, Effort(8, 2.0, 0.5))
    progress.line("epoch 1/2")
    progress.close()
    assert (terminal.getvalue(), capsys.readouterr().out) == ("", "")


class Terminal(io.StringIO):
    """Text output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_is_a_bar_and_lines_stay(
    clock: Clock, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress(total_steps=4, done_steps=1)
    progress.update(2, 1.5, 0.05, Effort(8, 2.0, 0.5))
    progress.line("epoch 1/2")
    progress.close()
    assert "2/4" in terminal.getvalue()
    assert "loss 1.500, lr 0.05, 4 img/s, data wait 25%" in terminal.getvalue()
    assert capsys.readouterr().out == "epoch 1/2\n"


def test_a_bar_fits_80_columns_with_all_that_it_says(clock: Clock, monkeypatch: MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda stream: (80, 25))
    progress = Progress(total_steps=90_000, done_steps=0)
    for step in range(1, 50):
        clock.now += 1.0
        progress.update(54_000 + step, loss=2.345, learning_rate=0.0001234, effort=Effort(1150 * step, step, step / 4))
    progress.close()
    drawn = screen.getvalue().rstrip("\n").split("\r")[-1]
    assert len(drawn) <= 80
    assert drawn.endswith(" left, loss 2.345, lr 0.000123, 1150 img/s, data wait 25%")  # nothing was cut off
