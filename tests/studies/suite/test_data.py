"""Rendered images of a suite."""

from __future__ import annotations

from pathlib import Path

from pytest import CaptureFixture, MonkeyPatch

from studies.suite.data import make_images
from studies.suite.definition import Shapes


def test_rendering_is_announced_where_there_is_something_to_render(
    monkeypatch: MonkeyPatch, tmp_path: Path, capsys: CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))
    monkeypatch.setattr("studies.suite.data.usable_cpus", lambda: 1)
    shapes = Shapes(images=6, size=32, seed=0, layouts=("classification",))
    folder = make_images(shapes)
    assert capsys.readouterr().out == f"rendering 12 images of 32 x 32 pixels into {folder}\n"
    assert make_images(shapes) == folder
    assert capsys.readouterr().out == ""
