"""From a command to its first training step: the shortest run of each tool that trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from backbones.data.shapes import make_shapes
from backbones.runs.fingerprint import ROOT

NETWORK = "resnet18_d"
CLASSIFIER = {"batch-size": "8", "epochs": "1", "image-size": "64", "workers": "1", "device": "cpu"}
PROTOCOLS = {"detection": "det_configs/faster_rcnn_fpn_demo.py", "segmentation": "seg_configs/fcn_os8_demo.py"}
_POLL = 0.01

Words = Callable[[Path, Path], list[str]]


def small_data(folder: Path) -> Path:
    """Eight rendered training images of each layout."""
    return make_shapes(folder, images=8, size=128)


def _classifier(data: Path, out: Path) -> list[str]:
    fixed = ["--data", str(data / "classification"), "--network", NETWORK, "--recipe", "d-smooth", "--out", str(out)]
    return ["train_cls.py", *fixed, *_flags()]


def _ablation(data: Path, out: Path) -> list[str]:
    fixed = ["--data", str(data / "classification"), "--network", NETWORK, "--out", str(out)]
    return ["ablate.py", *fixed, "--mode", "leave-one-out", "--base", "d-smooth", "--seeds", "0", "--", *_flags()]


def _flags() -> list[str]:
    return [word for name, value in CLASSIFIER.items() for word in (f"--{name}", value)]


def _transfer(tool: str, task: str, layout: str) -> Words:
    def words(data: Path, out: Path) -> list[str]:
        fixed = ["--data", str(data / layout), "--backbone", f"random:{NETWORK}", "--out", str(out)]
        return [tool, str(ROOT / PROTOCOLS[task]), *fixed, "--workers", "1"]

    return words


def _suite(data: Path, out: Path) -> list[str]:
    path = out.with_suffix(".yaml")
    content = {
        "seeds": [0],
        "baseline": "d-smooth",
        "classification": {"data": str(data / "classification"), "options": CLASSIFIER},
        "rows": [{"recipe": "d-smooth", "network": NETWORK}],
    }
    path.write_text(json.dumps(content))  # which is YAML, too
    return ["run_suite.py", str(path), "--out", str(out)]


TOOLS: dict[str, Words] = {
    "train_cls.py": _classifier,
    "transfer_det.py": _transfer("transfer_det.py", "detection", "VOCdevkit"),
    "transfer_seg.py": _transfer("transfer_seg.py", "segmentation", "ADEChallengeData2016"),
    "ablate.py": _ablation,
    "run_suite.py": _suite,
}


def seconds_to_first_step(tool: str, data: Path, out: Path) -> float:
    """Start the tool and wait for the first line of a ``metrics.jsonl``; then the tool is ended.

    What is remembered of the data is kept beside ``out``, so the second start finds it checked.

    Raises:
        RuntimeError: It ended before; the message has the last of what it printed.
    """
    words = TOOLS[tool](data, out)
    log = out.with_suffix(".log")
    start = time.perf_counter()
    environment = {**os.environ, "CARRYOVER_CACHE": str(out.parent / "cache")}
    with log.open("wb") as stream:
        command = [sys.executable, str(ROOT / "tools" / words[0]), *words[1:]]
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream, env=environment)
        try:
            while not _has_begun(out):
                if process.poll() is not None and not _has_begun(out):
                    raise RuntimeError(f"{tool} ended before its first step: {log.read_text()[-3000:]}")
                time.sleep(_POLL)
            return time.perf_counter() - start
        finally:
            process.terminate()
            process.wait()


def _has_begun(out: Path) -> bool:
    return any(path.stat().st_size for path in out.rglob("metrics.jsonl"))
