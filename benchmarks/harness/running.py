"""Run benchmarks one after the other and keep what each one found, with the machine and the command."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from backbones.files import read_json, write_bytes, write_json
from backbones.machine.processes import usable_cpus
from backbones.machine.versions import hardware, package_versions
from backbones.runs.run_folder import command_line
from benchmarks.harness.document import describe, document, picture_name
from benchmarks.harness.drawing import svg
from benchmarks.harness.findings import findings_from_json
from benchmarks.harness.registry import load
from benchmarks.harness.settings import Settings

FORMAT = 1
PACKAGES = (
    *("torch", "torchvision", "timm", "pillow", "simplejpeg", "opencv-python-headless", "numpy"),
    *("mmengine", "mmdet", "mmsegmentation", "mmcv", "mmcv-lite"),
)


def run_benchmarks(names: Sequence[str], settings: Settings, out: Path) -> Path:
    """Measure, and bring ``out/performance.json`` and ``out/performance.md`` up to date; returns the latter.

    What other benchmarks found before stays. The files are written after each benchmark.
    """
    for name in names:
        with tempfile.TemporaryDirectory(prefix=f"bench_{name}.", dir=settings.scratch) as scratch:
            entry = _measure(name, replace(settings, scratch=Path(scratch)))
        print(f"{load(name).TITLE} ({entry['seconds']:.0f} s)\n\n{describe(findings_from_json(entry))}\n", flush=True)
        write_json(out / "performance.json", {"format": FORMAT, "benchmarks": {**_known(out), name: entry}})
        write_document(out)
    return out / "performance.md"


def write_document(out: Path) -> None:
    """``out/performance.md`` and its pictures from ``out/performance.json``."""
    entries = _known(out)
    for name, entry in entries.items():
        if draw := getattr(load(name), "draw", None):
            write_bytes(out / picture_name(name), svg(draw(findings_from_json(entry))))
    write_bytes(out / "performance.md", document(entries).encode())


def _measure(name: str, settings: Settings) -> dict[str, Any]:
    start = time.perf_counter()
    found = load(name).measure(settings)
    machine = {**hardware(torch.device("cpu")), "cpus": usable_cpus(), "load": round(os.getloadavg()[0], 1)}
    return {
        "command": command_line(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "seconds": round(time.perf_counter() - start, 1),
        "hardware": machine,
        "versions": package_versions(PACKAGES),
        **found.as_json(),
    }


def _known(out: Path) -> dict[str, Any]:
    file = out / "performance.json"
    return read_json(file)["benchmarks"] if file.exists() else {}
