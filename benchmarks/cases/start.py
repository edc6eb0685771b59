"""From the command to the first line of help, and to the first training step.

`--help` of every tool; the aim is half a second, and nothing heavy is imported before the options are read. The first
step is that of ResNet-18-D and eight rendered images, with all checks, the proof and one loader process, up to the
first line of `metrics.jsonl`, which `train_cls.py` writes after an evaluation of as few images; `ablate.py` and
`run_suite.py` start it in turn. The data have been seen before, so that what is remembered of them holds. The lines
"imports" are what Python needs to import the same modules. Processor time is that of all processes together, and does
not depend on who else uses the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from backbones.runs.fingerprint import ROOT
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from benchmarks.subjects.first_step import TOOLS, seconds_to_first_step, small_data

TITLE = "Start"
QUICK = True
_BRIDGE = "from transfer.openmmlab import ops_bridge; ops_bridge.install()"
IMPORTS = {
    "PyTorch": "import torch",
    "train_cls.py": "import backbones.training.run",
    "transfer_det.py": f"{_BRIDGE}; import transfer.run.run, mmdet.apis",
    "transfer_seg.py": f"{_BRIDGE}; import transfer.run.run, mmseg.apis",
}


def measure(settings: Settings) -> Findings:
    """Seconds, medians of the rounds; in a quick run only `train_cls.py` trains, and once."""
    figures: dict[str, dict[str, float]] = {}
    for path in sorted((ROOT / "tools").glob("*.py")):
        _add(figures, f"{path.name} --help", [[str(path), "--help"]] * settings.rounds)
    for name, statement in IMPORTS.items():
        _add(figures, f"{name}, imports", [["-c", statement]] * settings.amount(settings.rounds, 1))
    data = small_data(settings.scratch / "data")
    for tool in list(TOOLS)[: settings.amount(len(TOOLS), 1)]:
        runs = [
            settings.scratch / f"{Path(tool).stem}_{turn}" for turn in range(1 + settings.amount(settings.rounds, 1))
        ]
        seconds = [seconds_to_first_step(tool, data, run) for run in runs]
        figures[f"{tool}, to its first step"] = {"seconds": median(seconds[1:])}
    return Findings(figures=figures)


def _add(figures: dict[str, dict[str, float]], name: str, commands: Sequence[Sequence[str]]) -> None:
    wall, processor = [], []
    for words in commands:
        before, start = os.times(), time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True, cwd=ROOT)
        after = os.times()
        wall.append(time.perf_counter() - start)
        used = after.children_user + after.children_system - before.children_user - before.children_system
        processor.append(used)
    figures[name] = {"seconds": median(wall), "of processor time": median(processor)}
