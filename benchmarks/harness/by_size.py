"""Figures at several sizes, each in a process of its own: memory that was in use before does not go back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbones.runs.fingerprint import ROOT
from benchmarks.harness.findings import Findings


def by_size(sizes: Sequence[int], measure: Callable[[int], Mapping[str, float]]) -> Findings:
    """All figures of each number of images; those in seconds also per image."""
    figures: dict[str, dict[str, float]] = {}
    for images in sizes:
        for name, value in measure(images).items():
            figures.setdefault(name, {})[f"{images:,} images"] = value
            if name.endswith(", s"):
                each = figures.setdefault(f"{name[:-3]}, µs per image", {})
                each[f"{images:,} images"] = value / images * 1e6
    return Findings(figures=figures)


def figures_of(program: str, cache: Path, *words: object) -> dict[str, Any]:
    """What a program prints last, as JSON; it has this project to import, and an empty cache."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "CARRYOVER_CACHE": str(cache), "PYTHONPATH": path}
    command = [sys.executable, "-c", program, *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])
