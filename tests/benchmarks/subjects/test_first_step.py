"""The shortest runs begin, and one that does not is told of."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pytest import raises

from benchmarks.subjects.first_step import ROOT, TOOLS, seconds_to_first_step, small_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("first_step") / "data")


@pytest.mark.parametrize("tool", ["train_cls.py", "run_suite.py"])
def test_a_tool_begins(tool: str, data: Path, tmp_path: Path) -> None:
    start = time.perf_counter()
    seconds = seconds_to_first_step(tool, data, tmp_path / "run")
    assert 0.1 < seconds <= time.perf_counter() - start
    (metrics,) = (tmp_path / "run").rglob("metrics.jsonl")
    assert '"step": 1' in metrics.read_text()


def test_why_a_tool_did_not_begin(data: Path, tmp_path: Path) -> None:
    with raises(RuntimeError, match=r"(?s)seg.py ended before its first step: .*error: .*ADEChallengeData2016"):
        seconds_to_first_step("transfer_seg.py", tmp_path / "nowhere", tmp_path / "run")


def test_the_tools_are_there() -> None:
    assert all((ROOT / "tools" / tool).is_file() for tool in TOOLS)
