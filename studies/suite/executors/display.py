"""What people see while a suite works: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, JustifyMethod
from rich.live import Live
from rich.table import Table
from tqdm import tqdm

from studies.suite.executors.board import BLOCKED, DONE, ELSEWHERE, FAILED, RUNNING, WAITING, Board, Status
from studies.suite.executors.local import Reporter

PLAIN_SECONDS = 30.0
LOOK_SECONDS = 1.0
# Symbol and style: told apart without colour too.
STATES = {
    WAITING: ("·", "dim"),
    RUNNING: ("▶", "bold cyan"),
    ELSEWHERE: ("⇄", "magenta"),
    DONE: ("✓", "green"),
    FAILED: ("✗", "bold red"),
    BLOCKED: ("-", "yellow"),
}


@contextmanager
def shown(board: Board) -> Iterator[Reporter]:
    """A reporter for this output, and a summary at the end."""
    if not sys.stdout.isatty():
        yield PlainLines(board)
        return
    table = LiveTable(board)
    with table.live:
        yield table
        table.live.update(table.render(), refresh=True)


class PlainLines:
    """A line for each change, and one per running run every half minute."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._started = self._looked = time.monotonic()

    def changed(self, status: Status, what: str) -> None:
        """Say what has changed, with the metric of a run that is done."""
        status.watch()
        metric = f", {status.progress.metric}" if status.state == DONE and status.progress.metric else ""
        self._say(status, f"{what}{metric}")
        if status.state == FAILED:
            for line in status.last_words:
                self._say(status, f"| {line}")
            self._say(status, f"| see {status.run.log}")

    def tick(self) -> None:
        """Say how far the runs are, if it is time."""
        if time.monotonic() - self._looked < PLAIN_SECONDS:
            return
        self._looked = time.monotonic()
        for status in self._board.all.values():
            if status.state == RUNNING:
                status.watch()
                self._say(
                    status, ", ".join(filter(None, (_share(status), status.progress.metric, _left(status)))) or "starts"
                )

    def _say(self, status: Status, text: str) -> None:
        print(f"[{time.monotonic() - self._started:4.0f} s] {status.run.name}: {text}", flush=True)


class LiveTable:
    """All runs, one per line, redrawn while they work; those that are long done are left out where room is short."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._started, self._looked = time.monotonic(), 0.0
        self.live = Live(console=Console(), auto_refresh=False, vertical_overflow="crop")

    def changed(self, status: Status, what: str) -> None:
        """Redraw; of a failure the last words stay above the table."""
        status.watch()
        if status.state == FAILED:
            words = "\n".join(f"  | {line}" for line in status.last_words)
            self.live.console.print(f"{status.run.name}: {what}; see {status.run.log}\n{words}", markup=False)
        self._redraw()

    def tick(self) -> None:
        """Redraw once a second."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            for status in self._board.all.values():
                if status.state in (RUNNING, ELSEWHERE):
                    status.watch()
            self._redraw()

    def _redraw(self) -> None:
        self.live.update(self.render(), refresh=True)

    def render(self) -> Table:
        """The table as it is now."""
        elapsed = tqdm.format_interval(time.monotonic() - self._started)
        counts = ", ".join(f"{self._board.count(state)} {state}" for state in STATES if self._board.count(state))
        table = Table(title=f"{counts} · {elapsed}", title_justify="left", box=None, pad_edge=False)
        columns: tuple[tuple[str, JustifyMethod], ...]
        columns = ("run", "left"), ("state", "left"), ("progress", "right"), ("left", "right")
        for name, justify in columns:
            table.add_column(name, justify=justify, no_wrap=True)
        table.add_column("metric", no_wrap=True)
        for status in self._visible():
            symbol, style = STATES[status.state]
            state = f"{symbol} {status.state}{' before' if status.cached else ''}"
            table.add_row(
                status.run.name,
                state,
                _share(status),
                _left(status),
                status.progress.metric or status.note,
                style=style,
            )
        return table

    def _visible(self) -> list[Status]:
        statuses = list(self._board.all.values())
        room = max(5, self.live.console.height - 4)
        order = sorted(statuses, key=lambda status: status.state in (DONE, WAITING))  # stable: working and broken first
        kept = {id(status) for status in order[:room]}
        return [status for status in statuses if id(status) in kept]


def _share(status: Status) -> str:
    share = status.progress.share
    return f"{share:.0%}" if share is not None and status.state in (RUNNING, ELSEWHERE) else ""


def _left(status: Status) -> str:
    seconds = status.seconds_left if status.state in (RUNNING, ELSEWHERE) else None
    return f"{tqdm.format_interval(seconds)} left" if seconds is not None else ""
