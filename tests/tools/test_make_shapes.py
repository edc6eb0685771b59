"""tools/make_shapes.py as a person runs it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "make_shapes.py"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The tool, run in an empty folder."""

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(TOOL), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return start


def test_writes_all_layouts_and_prints_the_path(run: Run, tmp_path: Path) -> None:
    done = run("--images", "12", "--size", "32", "--out", "data", "--seed", "3", "--workers", "2")
    assert (done.returncode, done.stdout) == (0, "data\n"), done.stderr
    assert len(list((tmp_path / "data" / "classification" / "train").rglob("*.jpg"))) == 12
    assert len(list((tmp_path / "data" / "VOCdevkit" / "VOC2007" / "Annotations").iterdir())) == 12 + 6
    assert len(list((tmp_path / "data" / "ADEChallengeData2016" / "annotations" / "validation").iterdir())) == 6


def test_writes_only_the_layouts_asked_for(run: Run, tmp_path: Path) -> None:
    done = run("--images", "10", "--size", "32", "--out", "data", "--layouts", "detection")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["VOCdevkit", "shapes.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--images", "5", "--size", "64"), "error: images is 5, less than the 6 classes"),
        (("--images", "20", "--size", "31"), "error: size is 31; below 32 pixels"),
        (("--images", "20", "--size", "32", "--layouts", "depth"), "error: unknown layout depth"),
    ],
)
def test_bad_options_are_one_line(run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run("--out", "data", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value"), [("--workers", "0"), ("--images", "-5"), ("--size", "1e3"), ("--seed", "9" * 12)]
)
def test_numbers_that_are_none_are_named(run: Run, tmp_path: Path, option: str, value: str) -> None:
    options = {"--images": "20", "--size": "32", option: value}
    done = run("--out", "data", *(word for pair in options.items() for word in pair))
    assert done.returncode == 2
    assert f"error: argument {option}: " in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_folder_in_use(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("mine")
    done = run("--images", "20", "--size", "32", "--out", "data")
    assert done.returncode == 2
    assert "data exists and is not empty" in done.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_leaves_nothing(tmp_path: Path, workers: str) -> None:
    command = [sys.executable, str(TOOL), "--images", "100000", "--size", "64", "--out", "data", "--workers", workers]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not any(tmp_path.rglob("*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert any(tmp_path.rglob("*.jpg"))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
