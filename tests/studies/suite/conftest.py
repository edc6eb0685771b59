"""Runs of a suite whose commands are small scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from studies.suite.planned_run import PlannedRun

# Behaves as a run does towards a suite: run.json first, result.json last. What it is to do stands in its last argument.
WORK = """
import json, pathlib, signal, sys, time

folder, how = pathlib.Path(sys.argv[1]), sys.argv[2]
folder.mkdir(parents=True, exist_ok=True)
resumed = (folder / "run.json").exists()
(folder / "run.json").write_text("{}")
with open(folder.parent / "ran.txt", "a") as stream:
    print(folder.name, "resumed" if resumed else "began", file=stream)
try:
    if how == "slow":
        time.sleep(0.6)
    if how == "endless" and not resumed:
        print("waiting", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    print("saved", flush=True)
    sys.exit(130)
if how == "broken" or (how == "shaky" and not resumed):
    sys.exit("error: no luck today")
(folder / "result.json").write_text(json.dumps({"metrics": {"top1": 50.0}}))
"""


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., PlannedRun]:
    """Makes a run that does "ok", "slow", "endless" (until it is resumed), "broken" or "shaky" work."""
    script = tmp_path / "work.py"
    script.write_text(WORK)
    (tmp_path / "logs").mkdir()

    def make(name: str, how: str = "ok", needs: tuple[str, ...] = ()) -> PlannedRun:
        folder = tmp_path / "runs" / name
        return PlannedRun(
            name=name,
            row=name,
            kind="classification",
            seed=0,
            command=(str(script), str(folder), how),
            folder=folder,
            product=folder / "result.json",
            log=tmp_path / "logs" / f"{name}.log",
            needs=needs,
            digest=name.ljust(16, "0"),
        )

    return make
