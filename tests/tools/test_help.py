"""Every tool: help and errors of its options without waiting for torch, and each error one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pytest import mark

TOOLS = sorted((Path(__file__).resolve().parents[2] / "tools").glob("*.py"))
HEAVY = {
    "torch",
    "torchvision",
    "mmengine",
    "mmcv",
    "mmdet",
    "mmseg",
    "timm",
    "scipy",
    "matplotlib",
    "cv2",
}  # a second or more


def run(tool: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """A finished tool without what ``-X importtime`` writes, and the packages that it imported."""
    command = [sys.executable, "-X", "importtime", str(tool), *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    imported = {name.partition(".")[0] for name in re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.M)}
    done.stderr = re.sub(r"^import time:.*\n", "", done.stderr, flags=re.M)
    return done, imported


@mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_help_imports_nothing_heavy(tool: Path) -> None:
    done, imported = run(tool, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
    assert "argparse" in imported  # the control: imports are seen
    assert not imported & HEAVY


@mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_a_mistaken_option_is_one_line(tool: Path) -> None:
    done, imported = run(tool, "--no-such-option=3")
    assert done.returncode == 2
    assert re.fullmatch(r"error: .+; .*see \S+ --help\n", done.stderr)
    assert not imported & HEAVY


def test_a_misspelt_option_is_guessed() -> None:
    done, _ = run(TOOLS[0].with_name("compare.py"), "runs", "--titel", "x")
    assert done.stderr == "error: unrecognized arguments: --titel x; did you mean --title? see compare.py --help\n"
