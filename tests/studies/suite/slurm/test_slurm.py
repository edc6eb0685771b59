"""A suite on a real Slurm: dependencies, failure, preemption, and a second suite that finds the jobs."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest import fixture, mark

from backbones.runs.locks import Owner, try_lock
from studies.suite.executors import slurm
from studies.suite.executors.board import Board
from studies.suite.executors.display import PlainLines
from studies.suite.executors.slurm import run_on_slurm
from studies.suite.planned_run import PlannedRun

pytestmark = [mark.slow, mark.usefixtures("cluster")]


@fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(slurm, "SECONDS_BETWEEN_LOOKS", 0.3)
    monkeypatch.setattr(slurm, "SECONDS_TO_SHOW", 2.0)


def execute(runs: Sequence[PlannedRun], out: Path) -> dict[str, str]:
    board = Board(runs)
    run_on_slurm(runs, {"time": "10", "partition": "test"}, out, board, PlainLines(board))
    return {name: status.state for name, status in board.all.items()}


def ran(out: Path) -> list[str]:
    return (out / "runs" / "ran.txt").read_text().splitlines()


def test_a_job_begins_after_those_it_needs_and_not_after_failed_ones(
    planned: Callable[..., PlannedRun], tmp_path: Path
) -> None:
    runs = [
        planned("first"),
        planned("second", needs=("first",)),
        planned("broken", "broken"),
        planned("after", needs=("broken",)),
    ]
    states = execute(runs, tmp_path)
    assert states == {"first": "done", "second": "done", "broken": "failed", "after": "blocked"}
    lines = ran(tmp_path)
    assert lines.index("first began") < lines.index("second began")
    assert [line for line in lines if line.startswith("broken")] == ["broken began", "broken resumed"]
    assert not any(line.startswith("after") for line in lines)


def test_a_preempted_job_saves_is_queued_again_and_resumes(planned: Callable[..., PlannedRun], tmp_path: Path) -> None:
    """What Slurm sends before a job's time is up, or to make room, is sent here by hand."""
    run = planned("long", "endless")
    record = tmp_path / "slurm" / f"{run.digest}.json"

    def preempt() -> None:
        while not (run.folder / "run.json").exists():
            time.sleep(0.1)
        time.sleep(0.5)
        subprocess.run(["scancel", "--signal=USR2", json.loads(record.read_text())["job"]], check=True)

    thread = threading.Thread(target=preempt)
    thread.start()
    assert execute([run], tmp_path) == {"long": "done"}
    thread.join()
    assert ran(tmp_path) == ["long began", "long resumed"]
    assert "saved" in run.log.read_text()


def test_a_second_suite_finds_the_job_of_the_first(planned: Callable[..., PlannedRun], tmp_path: Path) -> None:
    """The claim is held here, so that the job waits: two suites see it in the queue, and there is one."""
    run = planned("one")
    lock = try_lock(run.claim)
    assert not isinstance(lock, Owner)
    outcomes: list[dict[str, str]] = []
    suites = [threading.Thread(target=lambda: outcomes.append(execute([run], tmp_path))) for _ in range(2)]
    for suite in suites:
        suite.start()
    time.sleep(3)
    jobs = list((tmp_path / "slurm" / "jobs").glob("*_submitted.pkl"))
    lock.close()
    for suite in suites:
        suite.join(timeout=60)
    assert len(jobs) == 1
    assert outcomes == [{"one": "done"}] * 2
    assert ran(tmp_path) == ["one began"]
