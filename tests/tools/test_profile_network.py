"""tools/profile_network.py as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from forked_tools import run_tool
from pytest import mark

TOOL = Path(__file__).resolve().parents[2] / "tools" / "profile_network.py"


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return run_tool([TOOL, *arguments], environment, folder)


def test_help_is_there_at_once() -> None:
    started = time.monotonic()
    process = run("--help")
    assert process.returncode == 0
    assert "--table5" in process.stdout
    assert time.monotonic() - started < 1.5


def test_measures_prints_writes_and_writes_the_document_again(tmp_path: Path) -> None:
    files = ("--out", "docs/networks.json", "--markdown", "docs/networks.md")
    options = ("--image-size", "32", "--batch-size", "2", "--device", "cpu", "--precision", "fp32")
    process = run("resnet18_a", "resnet18_d", *options, *files, folder=tmp_path)
    assert process.returncode == 0, process.stderr
    result = json.loads((tmp_path / "docs" / "networks.json").read_text())
    assert [row["network"] for row in result["networks"]] == ["resnet18_a", "resnet18_d"]
    for row in result["networks"]:
        for kind in ("forward", "training"):
            assert 0 < row[kind]["slowest"] <= row[kind]["median"] <= row[kind]["fastest"]
        assert row["forward"]["median"] > row["training"]["slowest"]
        assert row["peak_cuda_bytes"] is None
    document = tmp_path / "docs" / "networks.md"
    text = document.read_text()
    assert "[`networks.json`](networks.json)" in text
    table = [line for line in text.splitlines() if line.startswith("| `resnet18")]
    assert len(table) == 2
    assert all(line in process.stdout for line in table)

    document.unlink()
    again = run(*files, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert document.read_text() == text


@mark.parametrize(
    ("words", "message"),
    [
        ((), "error: no network given: name some, or say --table5"),
        (("resnet18",), "error: unknown network 'resnet18': did you mean resnet18_"),
        (("--out", "nothing.json", "--markdown", "n.md"), "error: nothing.json does not exist"),
    ],
)
def test_bad_requests_are_one_line(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    process = run(*words, folder=tmp_path)
    assert process.returncode == 2
    assert process.stderr.startswith(message)
    assert process.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
