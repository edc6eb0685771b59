"""Growth is told relative to the first of its kind, and drawn."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pytest import MonkeyPatch, approx

from benchmarks.cases.training import scaling
from benchmarks.harness.findings import Findings
from benchmarks.harness.growth import draw_growth, growth_lines
from benchmarks.harness.running import write_document

POINTS = [(0.5, 2.0), (1.0, 2.5), (4.0, 3.0)]


@pytest.fixture
def figures() -> dict[str, dict[str, float]]:
    rows = growth_lines("pixels", [1000, 4000, 16000], POINTS) | growth_lines("boxes", [1, 4, 16], POINTS[::-1])
    return {**rows, "two processes": {"efficiency": 0.9}}


def test_lines_relative_to_their_first(figures: dict[str, dict[str, float]]) -> None:
    assert list(figures) == [
        *("pixels: 1,000", "pixels: 4,000", "pixels: 16,000"),
        *("boxes: 1", "boxes: 4", "boxes: 16", "two processes"),
    ]
    assert list(figures["pixels: 1,000"].values()) == approx([1, 0.5, 1, 2, 1])
    assert list(figures["pixels: 16,000"].values()) == approx([16, 4, 8, 3, 1.5])
    assert list(figures["boxes: 16"].values()) == approx([16, 0.5, 0.125, 2, 2 / 3])


def test_both_panels_show_every_line(figures: dict[str, dict[str, float]]) -> None:
    for axes, growth in zip(draw_growth(figures).axes, ([1, 2, 8], [1, 1.25, 1.5]), strict=True):
        drawn = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
        assert list(drawn) == ["as much as given", "pixels", "boxes"]
        assert drawn["pixels"][:, 0] == approx([1, 4, 16])
        assert drawn["pixels"][:, 1] == approx(growth)
        assert drawn["as much as given"].tolist() == [[1, 1], [16, 16]]


def test_the_document_has_the_picture(
    figures: dict[str, dict[str, float]], tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    entry = {
        "command": "python tools/bench.py",
        "date": "2026-01-01",
        "seconds": 1.0,
        "hardware": {"name": "a processor", "cpus": 2, "load": 0.1},
        "versions": {"python": "3.11"},
        **Findings(figures=figures).as_json(),
    }
    (tmp_path / "performance.json").write_text(json.dumps({"format": 1, "benchmarks": {"scaling": entry}}))
    write_document(tmp_path)
    picture = tmp_path / "performance_scaling.svg"
    first = picture.read_bytes()
    words = {element.text for element in ElementTree.fromstring(first).iter() if element.tag.endswith("text")}
    assert {"time", "memory", "pixels", "boxes"} <= words
    assert f"![{scaling.TITLE}]({picture.name})" in (tmp_path / "performance.md").read_text()
    write_document(tmp_path)
    assert picture.read_bytes() == first
