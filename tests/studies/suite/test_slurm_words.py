"""What needs no cluster of the suite on Slurm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest import MonkeyPatch, importorskip, raises

from backbones.errors import UserError
from studies.suite.executors import slurm
from studies.suite.executors.board import Board
from studies.suite.executors.display import PlainLines
from studies.suite.planned_run import PlannedRun


def test_a_job_may_be_requeued_at_more_time_limits_than_submitit_allows_by_itself(
    tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    importorskip("submitit", reason="submitit is not installed: pip install submitit")
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", "")
    assert slurm._executor(tmp_path / "jobs").max_num_timeout >= 100


def test_a_queue_that_does_not_answer_for_a_while_ends_nothing(
    planned: Callable[..., PlannedRun], monkeypatch: MonkeyPatch
) -> None:
    now = [0.0]
    answers: list[dict[str, str] | None] = [None, {"7": "RUNNING"}, None, None]

    def queue() -> dict[str, str]:
        answer = answers.pop(0)
        if answer is None:
            raise UserError("--slurm: squeue does not answer")
        return answer

    monkeypatch.setattr(slurm, "_queue", queue)
    monkeypatch.setattr(slurm.time, "monotonic", lambda: now[0])
    run = planned("one")
    board = Board([run])
    watch = slurm._Watch({"one": "7"}, board, PlainLines(board))
    for now[0], state in ((100.0, "waiting"), (500.0, "running"), (1000.0, "running")):
        watch.step()
        assert board.all["one"].state == state
    now[0] = 500.0 + slurm.SECONDS_OF_SILENCE + 1
    with raises(UserError, match="squeue does not answer"):
        watch.step()
