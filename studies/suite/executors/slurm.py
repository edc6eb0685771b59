"""A suite on a Slurm cluster: one job per run, through submitit, each after the jobs that it needs."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from backbones.errors import UserError
from backbones.files import read_json, write_json
from backbones.reporting.printable import printable
from backbones.runs.fingerprint import ROOT
from backbones.runs.locks import Owner, try_lock
from studies.suite.executors.board import BLOCKED, DONE, FAILED, RUNNING, WAITING, Board, Status
from studies.suite.executors.local import Reporter
from studies.suite.executors.process import last_words
from studies.suite.executors.slurm_job import SlurmJob
from studies.suite.planned_run import PlannedRun

SECONDS_BETWEEN_LOOKS = 2.0
# A job that has left the queue may have written its result on another machine: file systems get this long to show it.
SECONDS_TO_SHOW = 10.0
SECONDS_OF_SILENCE = 600.0  # a controller may be restarted while a suite of many days is watched
MOST_REQUEUES = 1000  # submitit gives up after 3 if nobody says so, and a long training may outlast more time limits
SECONDS_BEFORE_END = 90  # what a run gets to save, before its job's time is up


def parse_slurm_options(words: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` words, as ``sbatch`` has them as long options.

    Raises:
        UserError: A word without ``=``, or what could be more than a line ``#SBATCH --KEY=VALUE``.
    """
    found = {}
    for word in words:
        key, separator, value = word.partition("=")
        name = key.lstrip("-").replace("_", "-")
        if not separator or not re.fullmatch(r"[a-z][a-z0-9-]*", name, re.ASCII):
            raise UserError(
                f"--slurm {printable(word)}: write KEY=VALUE, with a long option of sbatch (partition=gpu "
                "time=12:00:00)"
            )
        if not value.isprintable():
            raise UserError(f"--slurm {printable(word)}: no script for sbatch can hold these characters; write others")
        found[name] = value
    return found


def check_slurm_folder(out: Path) -> None:
    """The script names the folder for the job's output; there a line break would end the line and begin a command.

    Raises:
        UserError: Characters that cannot be seen, or one that Slurm puts job numbers in place of.
    """
    path = str(out.absolute())
    if not path.isprintable() or "%" in path:
        raise UserError(
            f"--out {printable(path)}: Slurm cannot name this folder (line breaks, control characters, %); choose "
            "another --out"
        )


def run_on_slurm(
    runs: Sequence[PlannedRun], options: Mapping[str, str], out: Path, board: Board, reporter: Reporter
) -> None:
    """Submit what is neither done nor in the queue, and watch until all has ended.

    Raises:
        UserError: No submitit, no Slurm, a folder that no script can name, or a job that Slurm refuses.
        KeyboardInterrupt: Ctrl-C; the jobs go on, and the same command watches them again.
    """
    check_slurm_folder(out)
    executor = _executor(out / "slurm" / "jobs")
    with _submitting(out / "slurm" / ".lock"):
        jobs = _submit_all(runs, executor, out / "slurm", options)
    watch = _Watch(jobs, board, reporter)
    try:
        while not board.ended:
            watch.step()
            reporter.tick()
            if not board.ended:
                time.sleep(SECONDS_BETWEEN_LOOKS)
    except KeyboardInterrupt:
        waiting = [jobs[status.run.name] for status in board.unfinished() if status.run.name in jobs]
        print(f"the jobs go on; to end them: scancel {' '.join(waiting)}", flush=True)
        raise


def _executor(folder: Path) -> Any:
    try:
        from submitit import SlurmExecutor
    except ImportError:
        raise UserError("--slurm needs submitit, which is not installed: pip install submitit") from None
    folder.mkdir(parents=True, exist_ok=True)
    try:
        executor = SlurmExecutor(folder=folder, max_num_timeout=MOST_REQUEUES)
    except RuntimeError:
        raise UserError("--slurm: there is no srun here; run this on a machine that submits to Slurm") from None
    # The jobs unpickle this project's classes.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    return executor


def _submit_all(runs: Sequence[PlannedRun], executor: Any, folder: Path, options: Mapping[str, str]) -> dict[str, str]:
    """Job ids by the names of runs that are not done."""
    queued, jobs = _queue(), {}
    for run in runs:
        if run.done:
            continue
        record = folder / f"{run.digest[:16]}.json"
        known = read_json(record)["job"] if record.exists() else None
        if known in queued:
            jobs[run.name] = known
            continue
        after = [jobs[name] for name in run.needs if name in jobs]
        jobs[run.name] = _submit(run, executor, options, after)
        write_json(record, {"job": jobs[run.name], "run": run.name})
    return jobs


def _submit(run: PlannedRun, executor: Any, options: Mapping[str, str], after: Sequence[str]) -> str:
    further: dict[str, Any] = {key: value for key, value in options.items() if key != "time"}
    further |= {"kill-on-invalid-dep": "yes", "requeue": True}
    if after:
        further["dependency"] = f"afterok:{':'.join(after)}"
    executor.update_parameters(
        job_name=f"{run.row}-{run.kind}",
        time=_minutes(options.get("time", "24:00:00")),
        signal_delay_s=SECONDS_BEFORE_END,
        stderr_to_stdout=True,
        additional_parameters=further,
    )
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        return str(executor.submit(SlurmJob(run)).job_id)
    except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise UserError(f"--slurm: sbatch refused {run.name} ({reason}); mend the options after --slurm") from None


def _minutes(said: str) -> int:
    """Minutes of a time as Slurm writes it: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S.

    Raises:
        UserError: Something else.
    """
    days, dash, rest = said.rpartition("-")
    try:
        numbers = [int(part) for part in rest.split(":")]
        if dash:
            hours, minutes, *_ = [*numbers, 0, 0]
            return (int(days) * 24 + hours) * 60 + minutes
        return numbers[0] * 60 + numbers[1] if len(numbers) == 3 else numbers[0]
    except ValueError:
        raise UserError(f"--slurm time={said}: no time; write minutes, or hours as 12:00:00") from None


@contextmanager
def _submitting(path: Path) -> Iterator[IO[str]]:
    """Two suites must not both find the same run without a job."""
    while isinstance(lock := try_lock(path), Owner):
        time.sleep(1.0)
    with lock:
        yield lock


def _queue() -> dict[str, str]:
    """States of this user's jobs by id. ``sacct`` would tell more, but needs a data base that many clusters lack."""
    words = ["squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i %T"]
    try:
        listed = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip()
        raise UserError(f"--slurm: squeue does not answer ({reason})") from None
    return dict(line.split(maxsplit=1) for line in listed.splitlines() if line.strip())


class _Watch:
    """Follows jobs by the queue, and by the results that they leave."""

    def __init__(self, jobs: Mapping[str, str], board: Board, reporter: Reporter) -> None:
        self._jobs = jobs
        self._board = board
        self._reporter = reporter
        self._answered = time.monotonic()
        self._gone: dict[str, float] = {}  # since when a job is in the queue no more

    def step(self) -> None:
        """Look once; a queue that does not answer for a while is asked again.

        Raises:
            UserError: It has not answered for ``SECONDS_OF_SILENCE``.
        """
        try:
            queue = _queue()
        except UserError:
            if time.monotonic() - self._answered > SECONDS_OF_SILENCE:
                raise
            return
        self._answered = time.monotonic()
        for status in self._board.unfinished():  # in order: what a run needs is judged before it
            self._look(status, queue)

    def _look(self, status: Status, queue: Mapping[str, str]) -> None:
        name = status.run.name
        if status.run.done:
            status.cached = name not in self._jobs
            self._set(status, DONE, "done before" if status.cached else "done")
            return
        job = self._jobs[name]
        if job in queue:
            self._gone.pop(name, None)
            self._in_queue(status, job, queue[job])
        elif broken := [each for each in self._board.needed(status) if each.state in (FAILED, BLOCKED)]:
            status.note = f"needs {broken[0].run.name}"
            self._set(status, BLOCKED, f"left out: {status.note}, which {broken[0].state}")
        elif (
            all(each.state == DONE for each in self._board.needed(status))
            and time.monotonic() - self._gone.setdefault(name, time.monotonic()) > SECONDS_TO_SHOW
        ):
            status.note, status.last_words = f"Slurm job {job} ended without a result", last_words(status.run.log)
            self._set(status, FAILED, f"FAILED ({status.note})")

    def _in_queue(self, status: Status, job: str, state: str) -> None:
        if state == "RUNNING":
            if status.state != RUNNING:
                self._set(status, RUNNING, f"at work in Slurm job {job}: {status.run.printed}")
            return
        note = f"Slurm job {job} {state.lower()}"
        if (status.state, status.note) != (WAITING, note):
            status.note = note
            self._set(status, WAITING, note)

    def _set(self, status: Status, state: str, what: str) -> None:
        status.state = state
        self._reporter.changed(status, what)
