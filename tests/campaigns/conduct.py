"""Which campaigns are run, for how long, and in which folder."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from backbones.errors import UserError, did_you_mean
from campaigns.engine.records import Records, current_commit
from campaigns.engine.trial import Trial

# Each is a module with ``subjects()`` and ``run(names, seeds, folder, records, go_on)``; and its share of the time.
CAMPAIGNS = {"mutation": 0.4, "kill": 0.3, "resources": 0.3}


@dataclass
class Tally:
    """How many trials of a campaign have passed and failed."""

    passed: int = 0
    failed: int = 0

    def count(self, trial: Trial) -> None:
        """One more."""
        self.passed += trial.passed
        self.failed += not trial.passed

    def __str__(self) -> str:
        return f"{self.passed + self.failed} trials, {self.passed} passed, {self.failed} failed"


def listed() -> Iterator[str]:
    """What there is to try, a line for each campaign."""
    for name in CAMPAIGNS:
        yield f"{name}: {' '.join(_load(name).subjects())}"


def conduct(options: argparse.Namespace) -> Tally:
    """Make trials, campaign by campaign, until each has used its share of the time.

    Raises:
        UserError: There is no such campaign or subject.
    """
    names = options.names or list(CAMPAIGNS)
    for name in names:
        if name not in CAMPAIGNS:
            raise UserError(f"{name}: no such campaign; {did_you_mean(name, CAMPAIGNS)}see --list")
    chosen = _choose({name: _load(name).subjects() for name in names}, options.only)
    shares = sum(CAMPAIGNS[name] for name in chosen)
    seeds = range(options.seed, options.seed + options.trials if options.trials else sys.maxsize)
    records, tally = Records(options.records, current_commit()), Tally()
    with tempfile.TemporaryDirectory(prefix="campaigns-", dir=options.scratch) as folder:
        os.environ["CARRYOVER_CACHE"] = str(Path(folder, "cache"))
        for name, subjects in chosen.items():
            go_on = _deadline(60 * options.minutes * CAMPAIGNS[name] / shares)
            for trial in _load(name).run(subjects, seeds, Path(folder, name), records, go_on):
                tally.count(trial)
                if options.show and not trial.passed:
                    print(_shown(trial), flush=True)
    return tally


def _load(name: str) -> Any:
    return import_module(f"campaigns.{name}")


def _choose(subjects: Mapping[str, Sequence[str]], only: Sequence[str]) -> dict[str, list[str]]:
    known = [name for names in subjects.values() for name in names]
    for name in only:
        if name not in known:
            raise UserError(f"--only {name}: no such subject; {did_you_mean(name, known)}see --list")
    chosen = {campaign: [name for name in names if not only or name in only] for campaign, names in subjects.items()}
    return {campaign: names for campaign, names in chosen.items() if names}


def _deadline(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def _shown(trial: Trial) -> str:
    return f"{trial.subject} {trial.seed}: {trial.what}: {trial.outcome}, {trial.kind}\n{trial.detail}\n"
