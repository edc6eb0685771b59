"""The benchmark of a large index, on a small one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools" / "bench_index.py"


def test_measures_and_removes_its_tree(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    options = ["--images", "600", "--classes", "3", "--decode", "40", "--workers", "1"]
    command = [sys.executable, TOOL, *options, "--out", tmp_path / "scratch", "--json", tmp_path / "bench.json"]
    command += ["--markdown", tmp_path / "bench.md"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=True)
    report = json.loads((tmp_path / "bench.json").read_text())
    figures = report["figures"]
    assert (figures["training images"], figures["validation images"]) == (600, 23)
    assert figures["decoding check on one core, images/s"] > 10
    assert figures["epoch 2: loader worker, proportional, MiB"] < figures["epoch 2: loader worker, resident, MiB"]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert cells[2:] == [[name, f"{value:,}"] for name, value in figures.items()]
    document = (tmp_path / "bench.md").read_text()
    assert done.stdout in document
    assert report["command"] in document
    assert report["hardware"]["name"] in document
    assert not list((tmp_path / "scratch").iterdir())
