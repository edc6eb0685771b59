"""Classes that nothing in a split shows."""

from __future__ import annotations

import pytest

from transfer.data.absent_classes import absent_classes, tell


def test_named_up_to_ten_then_counted() -> None:
    assert absent_classes("train", "pixels", {"sky": 1, "road": 2}) == []
    assert absent_classes("train", "pixels", {"sky": 0, "road": 2}) == ["train has no pixels of 1 classes: sky"]
    (note,) = absent_classes("val", "objects", {f"c{number}": 0 for number in range(12)})
    assert note.startswith("val has no objects of 12 classes: c0, c1, ")
    assert note.endswith("c8, c9 and 2 more")


def test_told_as_notes(capsys: pytest.CaptureFixture[str]) -> None:
    tell(absent_classes("the test set", "pixels", {"sky": 0, "road": 1}))
    assert capsys.readouterr().out == "note: the test set has no pixels of 1 classes: sky\n"
