"""A study that a GPU makes possible: the suite is what resumes it, a round only ends it in time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from backbones.runs.fingerprint import ROOT
from benchmarks.gpu.step import Figures, Found, Place

SUITE = "suites/section6-gpu-hour.yaml"
PATIENCE = 60.0  # seconds that runs have to save what they have
JOBS = 3  # runs that share the GPU, which one of small images does not fill


def run(place: Place) -> Found:
    """Go on with the suite; unfinished when the round is over."""
    return run_suite(place, ROOT / SUITE)


def run_suite(place: Place, suite: Path) -> Found:
    """``tools/run_suite.py`` for a round.

    Raises:
        RuntimeError: It failed; its words are above.
    """
    out = place.scratch / "suite"
    process = subprocess.Popen(
        [sys.executable, ROOT / "tools/run_suite.py", suite, "--out", out, "--jobs", str(JOBS)], cwd=ROOT
    )
    started = time.monotonic()
    try:
        code = process.wait(max(1.0, place.seconds - PATIENCE))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # every run saves its state
        process.wait()
        return Found(whole=False, notes=(f"{_done(out)} runs are done after {time.monotonic() - started:.0f} s",))
    if code:
        raise RuntimeError(f"the suite ended with code {code}")
    return Found(_figures(out), (f"{_done(out)} runs; the report is {out / 'report/index.html'}",))


def _done(out: Path) -> int:
    return sum(1 for _ in out.rglob("result.json"))


def _figures(out: Path) -> Figures:
    """Of each row the means that the comparison has."""
    comparison = json.loads(next(out.rglob("comparison.json")).read_text())
    return {
        row["name"]: {name: cell["mean"] for name, cell in row["cells"].items() if cell.get("mean") is not None}
        for row in comparison["rows"]
    }
