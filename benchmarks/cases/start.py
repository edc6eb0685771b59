"""From the command to the first line of help, and to the first training step.

`--help` of every tool; the aim is half a second, and nothing heavy is imported before the options are read. The start
of training is the shortest run there is, of ResNet-18-D and eight made-up images: the checks, one step with one loader
process, one evaluation, the files. The lines "imports" are what Python needs to import the same modules. Processor
time is that of all processes together, and does not depend on who else uses the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.findings import Findings
from benchmarks.photographs import image_folder, write_made_up
from benchmarks.settings import Settings

TITLE = "Start"
QUICK = True
ROOT = Path(__file__).resolve().parents[2]
IMPORTS = {
    "PyTorch": "import torch",
    "train_cls.py": "import backbones.classification",
    "transfer_det.py": "from transfer import ops_bridge; ops_bridge.install(); import transfer.run, mmdet.apis",
    "transfer_seg.py": "from transfer import ops_bridge; ops_bridge.install(); import transfer.run, mmseg.apis",
}


def measure(settings: Settings) -> Findings:
    """Seconds, medians of the rounds."""
    figures: dict[str, dict[str, float]] = {}
    for tool in sorted((ROOT / "tools").glob("*.py")):
        _add(figures, f"{tool.name} --help", [[str(tool), "--help"]] * settings.rounds)
    for name, statement in IMPORTS.items():
        _add(figures, f"{name}, imports", [["-c", statement]] * settings.rounds)
    _add(figures, "train_cls.py, a run of one step", [_shortest_run(settings, turn) for turn in range(settings.rounds)])
    return Findings(figures=figures)


def _shortest_run(settings: Settings, turn: int) -> list[str]:
    data = settings.scratch / "data"
    if not data.exists():
        image_folder(data, write_made_up(settings.scratch / "photographs", 8))
    words = [
        "--data",
        str(data),
        "--network",
        "resnet18_d",
        "--recipe",
        "d-smooth",
        "--batch-size",
        "8",
        "--epochs",
        "1",
    ]
    words += ["--image-size", "64", "--workers", "1", "--device", "cpu", "--out", str(settings.scratch / f"run{turn}")]
    return [str(ROOT / "tools" / "train_cls.py"), *words]


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
