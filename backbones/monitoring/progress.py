"""What a person sees while a classifier trains, and how fast it goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tqdm import tqdm

PLAIN_SECONDS = 30.0

Item = TypeVar("Item")


@dataclass(frozen=True)
class Effort:
    """Images trained on, seconds that took, and how many of these seconds were spent waiting for data."""

    images: int = 0
    seconds: float = 0.0
    waiting: float = 0.0

    def __sub__(self, earlier: Effort) -> Effort:
        return Effort(self.images - earlier.images, self.seconds - earlier.seconds, self.waiting - earlier.waiting)

    @property
    def images_per_second(self) -> float:
        """Training speed."""
        return self.images / self.seconds if self.seconds else 0.0

    @property
    def data_wait(self) -> float:
        """Share of the time, 0 to 1, in which the device had nothing to do because no batch was ready."""
        return self.waiting / self.seconds if self.seconds else 0.0


class BatchClock:
    """Measures training batches, and nothing between them: evaluation and saving do not count."""

    def __init__(self) -> None:
        self.effort = Effort()
        self._asked = 0.0
        self._waited = 0.0

    def timed(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The batches; the time until each arrives is waiting time."""
        iterator = iter(batches)
        while True:
            self._asked = time.perf_counter()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            self._waited = time.perf_counter() - self._asked
            yield batch

    def batch_done(self, images: int) -> None:
        """Count the batch that came last."""
        done = self.effort
        seconds = time.perf_counter() - self._asked
        self.effort = Effort(done.images + images, done.seconds + seconds, done.waiting + self._waited)


# A bar that leaves room for the status in 80 columns.
BAR = "{bar} {n_fmt}/{total_fmt}, {remaining} left{postfix}"


class Progress:
    """A progress bar on a terminal; elsewhere a line every 30 seconds. ``line`` prints in both; ``quiet``: nowhere."""

    def __init__(self, total_steps: int, done_steps: int, quiet: bool = False) -> None:
        self._quiet = quiet
        self._total = total_steps
        self._first = self._done = done_steps
        self._started = self._printed = time.monotonic()
        self._shown = Effort()
        self._bar: tqdm | None = None
        if sys.stderr.isatty() and not quiet:
            self._bar = tqdm(total=total_steps, initial=done_steps, dynamic_ncols=True, bar_format=BAR)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def update(self, step: int, loss: float, learning_rate: float, effort: Effort) -> None:
        """Show the state after ``step`` batches; speed and data wait are those since it was last shown."""
        recent = effort - self._shown
        status = (
            f"loss {loss:.3f}, lr {learning_rate:.3g}, {recent.images_per_second:.0f} img/s, "
            f"data wait {recent.data_wait:.0%}"
        )
        now = time.monotonic()
        if self._bar is not None:
            self._bar.set_postfix_str(status, refresh=False)
            self._bar.update(step - self._done)
        elif now - self._printed >= PLAIN_SECONDS:
            self.line(f"batch {step}/{self._total}: {status}, {self.remaining(step)} left")
        if recent.seconds >= 1.0:
            self._shown = effort
        self._done = step

    def line(self, text: str) -> None:
        """Print one line that stays."""
        self._printed = time.monotonic()
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.write(text, file=sys.stdout)
        else:
            print(text, flush=True)

    def remaining(self, step: int) -> str:
        """Time still needed after ``step`` batches at the pace since this start, as [hours:]minutes:seconds."""
        seconds = (time.monotonic() - self._started) / max(1, step - self._first) * (self._total - step)
        return tqdm.format_interval(seconds)
