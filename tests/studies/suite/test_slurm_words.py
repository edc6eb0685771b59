"""What needs no cluster of the suite on Slurm."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from pytest import MonkeyPatch, importorskip, mark, raises

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


@mark.parametrize(
    "word", ["partition=gpu\ntouch ran", "partition=a\rb", "a\nb=c", "$(touch ran)=1", "=1", "--=1", "comment=\x1b[31m"]
)
def test_a_word_cannot_be_more_than_one_line_of_the_script(word: str) -> None:
    with raises(UserError, match=r"--slurm .*: (write KEY=VALUE|no script for sbatch can hold)") as caught:
        slurm.parse_slurm_options([word])
    assert str(caught.value).isprintable()


def test_ordinary_options_are_taken() -> None:
    words = ["partition=gpu", "--cpus_per_task=8", "comment=it's $HOME", "mail-user=a@b.example"]
    found = {"partition": "gpu", "cpus-per-task": "8", "comment": "it's $HOME", "mail-user": "a@b.example"}
    assert slurm.parse_slurm_options(words) == found


@mark.parametrize("name", ["a\ntouch ran", "100%j", "a\x1b[31mb", "\udcff"])
def test_a_folder_that_no_script_can_name_is_refused_before_anything_is_written(
    name: str, planned: Callable[..., PlannedRun], tmp_path: Path
) -> None:
    run = planned("one")
    board = Board([run])
    with raises(UserError, match=r"--out .*: Slurm cannot name this folder") as caught:
        slurm.run_on_slurm([run], {}, tmp_path / name, board, PlainLines(board))
    assert str(caught.value).isprintable()
    assert not (tmp_path / name).exists()


def test_the_script_of_a_folder_that_is_taken_holds_it_as_one_word(tmp_path: Path) -> None:
    """What a shell runs of the script that submitit writes is submitit, whatever else the folder is called."""
    submitit = importorskip("submitit.slurm.slurm", reason="submitit is not installed: pip install submitit")
    folder = tmp_path / "it's; touch ran; $(touch ran) #"
    slurm.check_slurm_folder(folder)
    script = submitit._make_sbatch_string(command="true", folder=folder / "slurm" / "jobs", job_name="row-kind")
    lines = [line for line in script.splitlines() if line and not line.startswith("#")]
    assert [shlex.split(line)[0] for line in lines] == ["export", "srun"]
    assert str(folder / "slurm" / "jobs" / "%j_%t_log.out") in shlex.split(lines[1])
