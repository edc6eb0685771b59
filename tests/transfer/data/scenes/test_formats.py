"""A scene that is written in a format is read as what it was, in each of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from written_scenes import CLASSES, FORMATS, WITHOUT_IGNORED, bare, scenes

from transfer.data.scenes.check import check_scenes
from transfer.data.scenes.choice import scenes_of
from transfer.data.scenes.formats.known import recognise_scenes


@pytest.mark.parametrize("name", FORMATS)
def test_a_scene_written_is_the_scene_read(name: str) -> None:
    write, what = FORMATS[name]
    ignored = name not in WITHOUT_IGNORED

    @settings(max_examples=5, deadline=None)
    @given(train=scenes("t", ignored), val=scenes("v", ignored))
    def holds(train: list, val: list) -> None:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setenv("CARRYOVER_CACHE", f"{folder}/cache")
            root = Path(folder) / "data"
            write(root, {"train": train, "val": val})
            found = recognise_scenes(root)
            assert found is not None
            assert found.what == what
            for part, written in (("train", train), ("val", val)):
                for _ in range(2):  # the second time from the index
                    reading = scenes_of(found, part)
                    assert bare(reading.scenes) == bare(written)
                    assert not reading.faults
                summary = check_scenes(found, part, CLASSES)
                assert summary.images == len(written)
                boxes = [box for scene in written for box in scene.boxes]
                assert summary.objects == {each: sum(box.name == each for box in boxes) for each in CLASSES}
                assert sum(summary.ignored.values()) == sum(box.ignored for box in boxes)

    holds()
