"""Runs on this machine: order, what is skipped, resumed and tried again, and two suites in one folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest import fixture, raises

from backbones.runs.locks import Owner, try_lock
from studies.suite.executors.board import Board
from studies.suite.executors.display import PlainLines
from studies.suite.executors.local import run_here
from studies.suite.executors.slots import Slot
from studies.suite.planned_run import PlannedRun

ROOT = Path(__file__).resolve().parents[4]
Make = Callable[..., PlannedRun]
SLOTS = (Slot((("OMP_NUM_THREADS", "1"),)),) * 2


def execute(runs: Sequence[PlannedRun], slots: Sequence[Slot] = SLOTS) -> dict[str, str]:
    board = Board(runs)
    run_here(runs, slots, board, PlainLines(board))
    return {name: status.state for name, status in board.all.items()}


@fixture
def ran(tmp_path: Path) -> Callable[[], list[str]]:
    """What has begun and resumed so far, in order."""
    return lambda: (tmp_path / "runs" / "ran.txt").read_text().splitlines()


def test_what_is_needed_comes_first_and_what_is_done_is_skipped(planned: Make, ran: Callable[[], list[str]]) -> None:
    runs = [planned("student", needs=("teacher",)), planned("teacher", "slow"), planned("transfer", needs=("student",))]
    assert set(execute(runs).values()) == {"done"}
    assert ran() == ["teacher began", "student began", "transfer began"]
    assert set(execute(runs).values()) == {"done"}
    assert len(ran()) == 3


def test_what_was_begun_is_resumed(planned: Make, ran: Callable[[], list[str]]) -> None:
    run = planned("one")
    run.folder.mkdir(parents=True)
    (run.folder / "run.json").write_text("{}")
    assert execute([run]) == {"one": "done"}
    assert ran() == ["one resumed"]


def test_a_failure_is_tried_once_more_and_holds_up_only_what_needs_it(
    planned: Make, ran: Callable[[], list[str]], capsys
) -> None:
    runs = [
        planned("broken", "broken"),
        planned("after", needs=("broken",)),
        planned("further", needs=("after",)),
        planned("shaky", "shaky"),
        planned("well", needs=("shaky",)),
    ]
    states = execute(runs)
    assert states == {"broken": "failed", "after": "blocked", "further": "blocked", "shaky": "done", "well": "done"}
    assert sorted(ran()) == [
        *("broken began", "broken resumed", "shaky began", "shaky resumed", "well began"),
    ]
    printed = capsys.readouterr().out
    assert "broken: FAILED (exit code 1)" in printed
    assert "broken: | error: no luck today" in printed
    assert "after: left out: needs broken, which failed" in printed
    assert "error: no luck today" in runs[0].log.read_text()


def test_success_without_a_result_is_a_failure(planned: Make, tmp_path: Path) -> None:
    (tmp_path / "nothing.py").write_text("")
    run = planned("one")
    empty = PlannedRun(**{**vars(run), "command": (str(tmp_path / "nothing.py"),)})
    assert execute([empty]) == {"one": "failed"}


def test_runs_are_at_work_side_by_side_only_where_there_is_room(planned: Make) -> None:
    seen: list[int] = []

    def execute_and_count(slots: Sequence[Slot], names: str) -> int:
        runs = [planned(name, "slow") for name in names]
        board = Board(runs)
        reporter = PlainLines(board)
        reporter.tick = lambda: seen.append(board.count("running"))  # type: ignore[method-assign]
        seen.clear()
        run_here(runs, slots, board, reporter)
        return max(seen)

    assert execute_and_count(SLOTS[:1], "ab") == 1
    assert execute_and_count(SLOTS, "cde") == 2


def test_the_environment_is_the_slots(planned: Make, tmp_path: Path) -> None:
    (tmp_path / "tell.py").write_text(
        "import os, sys, pathlib\n"
        "folder = pathlib.Path(sys.argv[1]); folder.mkdir(parents=True)\n"
        "(folder / 'result.json').write_text(os.environ['CUDA_VISIBLE_DEVICES'])\n"
    )
    run = planned("one")
    run = PlannedRun(**{**vars(run), "command": (str(tmp_path / "tell.py"), str(run.folder))})
    execute([run], [Slot((("CUDA_VISIBLE_DEVICES", "3"),))])
    assert run.product.read_text() == "3"


def test_two_suites_in_one_folder_do_nothing_twice(planned: Make, ran: Callable[[], list[str]]) -> None:
    runs = [planned(name, "slow") for name in "abcd"]
    outcome: list[dict[str, str]] = []
    command = [sys.executable, "-c", OTHER, *map(str, (run.command[0] for run in runs[:1]))]
    other = subprocess.Popen(command, cwd=ROOT)
    outcome.append(execute(runs, SLOTS[:1]))
    assert other.wait(timeout=60) == 0
    assert outcome == [dict.fromkeys("abcd", "done")]
    assert sorted(ran()) == [f"{name} began" for name in "abcd"]


# The same runs as the test's, in another process.
OTHER = """
import pathlib, sys
from studies.suite.executors.local import run_here
from studies.suite.planned_run import PlannedRun
from studies.suite.executors.slots import Slot
from studies.suite.executors.board import Board

script = pathlib.Path(sys.argv[1])
root = script.parent
runs = []
for name in "abcd":
    folder = root / "runs" / name
    runs.append(PlannedRun(name, name, "classification", 0, (str(script), str(folder), "slow"), folder,
                           folder / "result.json", root / "logs" / f"{name}.log"))
class Silent:
    def changed(self, status, what): ...
    def tick(self): ...

board = Board(runs)
run_here(runs, [Slot(())], board, Silent())
sys.exit(not board.ended)
"""


def test_a_claimed_run_is_waited_for_and_taken_over(planned: Make, capsys) -> None:
    run = planned("one")
    lock = try_lock(run.claim)
    assert not isinstance(lock, Owner)
    threading.Timer(0.7, lock.close).start()
    assert execute([run]) == {"one": "done"}
    assert f"another process works on it (number {os.getpid()} on " in capsys.readouterr().out


def test_a_run_outlives_a_killed_suite_and_is_not_begun_twice(planned: Make, ran: Callable[[], list[str]]) -> None:
    """The claim is the run's too: its owner is named, and the next suite waits for it."""
    run = planned("a", "slow")
    (runs_root := run.folder.parent).mkdir(parents=True)
    other = subprocess.Popen([sys.executable, "-c", OTHER, run.command[0]], cwd=ROOT)
    while not (runs_root / "ran.txt").exists():
        assert other.poll() is None
        time.sleep(0.02)
    other.kill()
    other.wait()
    assert execute([run]) == {"a": "done"}
    assert [line for line in ran() if line.startswith("a ")] == ["a began"]


def test_ctrl_c_stops_what_works_and_it_can_be_continued(planned: Make, ran: Callable[[], list[str]]) -> None:
    runs = [planned("one", "endless"), planned("two", "endless"), planned("three", needs=("one",))]

    def interrupt() -> None:
        while not all(run.log.exists() and "waiting" in run.log.read_text() for run in runs[:2]):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with raises(KeyboardInterrupt):
        execute(runs)
    assert all("saved" in run.log.read_text() for run in runs[:2])
    for run in runs:
        lock = try_lock(run.claim)
        assert not isinstance(lock, Owner)  # nobody holds on to it
        lock.close()
    assert set(execute(runs).values()) == {"done"}
    assert sorted(ran()) == ["one began", "one resumed", "three began", "two began", "two resumed"]


def test_a_second_ctrl_c_ends_runs_that_will_not_stop(planned: Make, tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('waiting', flush=True)\n"
        "time.sleep(60)\n"
    )
    runs = [PlannedRun(**{**vars(planned(name)), "command": (str(tmp_path / "deaf.py"),)}) for name in ("one", "two")]

    def interrupt() -> None:
        while not all(run.log.exists() and "waiting" in run.log.read_text() for run in runs):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGINT)

    begun = time.monotonic()
    threading.Thread(target=interrupt).start()
    with raises(KeyboardInterrupt):
        execute(runs)
    assert time.monotonic() - begun < 30  # without the second one it would be a minute
    for run in runs:
        lock = try_lock(run.claim)
        assert not isinstance(lock, Owner)
        lock.close()
