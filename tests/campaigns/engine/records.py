"""What has been tried: a JSON line for each trial, written as it ends, so that a campaign can be stopped."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from backbones.files import append_line
from campaigns.engine.commands import ROOT
from campaigns.engine.trial import Trial


class Records:
    """The trials of one file; what stands there already, of the same code, is not tried again."""

    def __init__(self, path: Path, commit: str) -> None:
        self.path = path
        self.commit = commit
        self._done = {_key(trial) for trial in read_trials(path) if trial.commit == commit}

    def __contains__(self, key: tuple[str, str, int]) -> bool:
        """Whether a campaign's subject was tried with a seed."""
        return key in self._done

    def add(self, trial: Trial) -> None:
        """Write one down."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append_line(self.path, json.dumps(asdict(trial)))
        self._done.add(_key(trial))


def _key(trial: Trial) -> tuple[str, str, int]:
    return trial.campaign, trial.subject, trial.seed


def read_trials(path: Path) -> Iterator[Trial]:
    """The trials in a file, none if there is no file; a last line that was cut short is left out."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield Trial(**json.loads(line))
        except json.JSONDecodeError:
            continue


def current_commit() -> str:
    """The commit that is checked out, with a + where files differ from it; "unknown" outside of a repository."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
