"""What a Slurm job of a suite does: one run, claimed, tried twice, and saved before the job is preempted."""

from __future__ import annotations

import time
from typing import Any

from backbones.errors import UserError
from backbones.runs.locks import Owner
from studies.suite.executors.process import ATTEMPTS, RunProcess, claim, last_words
from studies.suite.planned_run import PlannedRun

SECONDS_BETWEEN_LOOKS = 0.5


class SlurmJob:
    """Carries out a run when called. submitit calls ``checkpoint`` before the job's time is up or it must make room.

    Args:
        run: What to carry out.
    """

    def __init__(self, run: PlannedRun) -> None:
        self.run = run
        self._process: RunProcess | None = None

    def __call__(self) -> None:
        """Carry the run out, or wait for whoever does.

        Raises:
            UserError: It failed twice; the message has the last lines of its log.
        """
        for _ in range(ATTEMPTS):
            while isinstance(lock := claim(self.run), Owner):
                time.sleep(SECONDS_BETWEEN_LOOKS)
            if self.run.done:
                lock.close()
                return
            self._process = RunProcess(self.run, lock, ())
            while (code := self._process.poll()) is None:
                time.sleep(SECONDS_BETWEEN_LOOKS)
            if code == 0 and self.run.done:
                return
        words = "\n".join(last_words(self.run.log))
        raise UserError(f"{self.run.name} failed twice (exit code {code}); see {self.run.log}\n{words}")

    def checkpoint(self) -> Any:
        """Have the run save and end, and the job put back into the queue, where it resumes."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.stop()
            self._process.wait_stopped()
        return DelayedSubmission(SlurmJob(self.run))
