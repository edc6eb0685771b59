"""`tools/compare.py` over 1,000 made-up run folders (67 recipes, five seeds, three tasks), from
command to report, by the clock on the wall; the aim is less than 10 s. The first figure is the program without runs:
Python, and what it imports.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from backbones.runs.fingerprint import ROOT
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings

TITLE = "Comparing a thousand runs"
QUICK = True
TOOL = ROOT / "tools" / "compare.py"
RUNS, SEEDS = 1000, 5
TASKS = {
    "classification": {"top1": 70.0, "top5": 90.0},
    "detection": {"voc07_map": 70.0, "voc_map": 72.0},
    "segmentation": {"pixel_accuracy": 70.0, "miou": 37.0},
}


def measure(settings: Settings) -> Findings:
    """Seconds of the median of the rounds."""
    write_runs(settings.scratch / "runs", RUNS)
    return Findings(
        figures={
            "without a run": {"seconds": _median_seconds(settings, "--help")},
            f"{RUNS:,} result files": {"seconds": _median_seconds(settings, str(settings.scratch / "runs"))},
        }
    )


def write_runs(root: Path, count: int) -> None:
    """Run folders as the tools leave them, of plausible results."""
    random = np.random.default_rng(0)
    for number in range(count):
        recipe, seed = divmod(number // len(TASKS), SEEDS)
        task = list(TASKS)[number % len(TASKS)]
        name = "b-standard" if recipe == 0 else f"recipe{recipe:03d}"
        folder = root / f"{name}-seed{seed}-{task}"
        folder.mkdir(parents=True)
        asked = {"format": 1, "task": task, "recipe": name, "network": "resnet50_d", "seed": seed, "protocol": task}
        if task != "classification":
            asked |= {"config_hash": "0123456789ab", "backbone": {}, "proof": {"features": {"equal": True}}}
        asked["data"] = {"root": "/data", "fingerprint": "f"}
        metrics = {metric: mean + float(random.normal(0, 0.3)) for metric, mean in TASKS[task].items()}
        (folder / "run.json").write_text(json.dumps(asked))
        (folder / "result.json").write_text(json.dumps({**asked, "metrics": metrics}))


def _median_seconds(settings: Settings, *words: str) -> float:
    seconds = []
    for _ in range(settings.rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, str(TOOL), *words], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
