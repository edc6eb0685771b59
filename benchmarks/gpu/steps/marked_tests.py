"""Steps that run tests marked ``gpu``, which nobody without a GPU has run."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from backbones.runs.fingerprint import ROOT
from benchmarks.gpu.step import Figures, Found, Place

_NAMED = 12  # failed tests that are named


@dataclass(frozen=True)
class MarkedTests:
    """The tests in ``files``, paths from the root of the project, that are marked so."""

    files: tuple[str, ...]
    mark: str = "gpu"

    def __call__(self, place: Place) -> Found:
        """Run them; how many passed in each file.

        Raises:
            RuntimeError: Some failed, or none ran; it names them.
        """
        report = place.scratch / "tests.xml"
        report.unlink(missing_ok=True)
        options = ["-m", self.mark, "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"]
        subprocess.run([sys.executable, "-m", "pytest", *options, *self.files], cwd=ROOT, check=False)
        return read_report(report)


def read_report(report: Path) -> Found:
    """What pytest's file of results says.

    Raises:
        RuntimeError: Some failed, or none ran; it names them.
    """
    if not report.exists():
        raise RuntimeError("pytest has left no results; its words are above")
    figures: Figures = {}
    failed = []
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        line = figures.setdefault(case.get("classname", "").removeprefix("tests."), {"passed": 0})
        line[outcome] = line.get(outcome, 0) + 1
        line["seconds"] = round(line.get("seconds", 0) + float(case.get("time", 0)), 1)
        if outcome == "failed":
            failed.append(case.get("name", ""))
    if failed:
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        raise RuntimeError(f"{len(failed)} tests failed: {', '.join(failed[:_NAMED])}{more}")
    if not sum(line["passed"] for line in figures.values()):
        raise RuntimeError("no test ran; all were skipped, or there are none")
    return Found(figures)


KERNELS = MarkedTests(
    ("tests/transfer/openmmlab/test_ops_bridge_gpu.py",),
)
PRECISIONS = MarkedTests(
    (
        "tests/backbones/machine/test_precision.py",
        "tests/backbones/training/test_gpu.py",
        "tests/transfer/run/test_gpu.py",
    ),
)
PROCESSES = MarkedTests(
    ("tests/backbones/machine/test_gpu_processes.py",),
)
MACHINE = MarkedTests(
    (
        "tests/backbones/monitoring/test_gpu_energy.py",
        "tests/backbones/training/test_gpu_memory.py",
        "tests/studies/suite/executors/test_gpu_slots.py",
    ),
)
