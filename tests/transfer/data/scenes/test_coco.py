"""COCO's JSON: what is wrong with one is told, all of it, and what the published one has is accepted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_scenes import CLASSES, bare
from written_scenes import coco as write

from backbones.data.folders.drawing_lots import HeldOut
from backbones.errors import UserError
from transfer.data.faults import Faults
from transfer.data.scenes.check import check_scenes
from transfer.data.scenes.choice import scenes_of
from transfer.data.scenes.formats import coco
from transfer.data.scenes.formats.known import recognise_scenes
from transfer.data.scenes.scene import Box, Scene, SceneFolder

FILE = "annotations/instances_train2017.json"
SCENES = [Scene(f"i{number}", (20, 16), (Box(1, 2, 9, 10, CLASSES[number % 3]),), "") for number in range(6)]


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "data", {"train": SCENES, "val": [SCENES[0]._replace(image="v0")]})
    return tmp_path / "data"


def taken(root: Path) -> SceneFolder:
    found = recognise_scenes(root)
    assert found is not None
    return found


def edit(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((root / FILE).read_text())
    change(document)
    (root / FILE).write_text(json.dumps(document))


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an unknown image": (lambda d: d["annotations"][0].update(image_id=77), "is of the image 77"),
    "an unknown category": (lambda d: d["annotations"][0].update(category_id=78), "category 78"),
    "no box": (lambda d: d["annotations"][0].pop("bbox"), "bbox None"),
    "three numbers": (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), r"\[1, 2, 3\], which must be four"),
    "a box in words": (lambda d: d["annotations"][0].update(bbox="1 2 3 4"), "must be four numbers"),
    "a negative width": (lambda d: d["annotations"][0].update(bbox=[9, 2, -3, 4]), "must not be negative"),
    "outside": (lambda d: d["annotations"][0].update(bbox=[1, 2, 30, 4]), "outside the image"),
    "crowds of two": (lambda d: d["annotations"][0].update(iscrowd=2), "iscrowd '2'"),
    "an id twice": (lambda d: d["images"][1].update(id=5), "has the id 5 of batch0/i0.png"),
    "a file twice": (lambda d: d["images"][1].update(file_name="batch0/i0.png"), "as another one is"),
    "a file elsewhere": (lambda d: d["images"][0].update(file_name="../../secret.png"), "must lead into the folder"),
    "an absolute file": (lambda d: d["images"][0].update(file_name="/etc/passwd"), "must lead into the folder"),
    "no size": (lambda d: d["images"][0].pop("height"), "which must be whole pixels"),
    "another size": (lambda d: d["images"][0].update(height=17), "records a size of 20 x 17, but .* is 20 x 16"),
    "a size beyond any": (lambda d: d["images"][0].update(height=10**30), "image 5 records a size that no image has"),
    "a missing file": (lambda d: d["images"][0].update(file_name="gone.png"), "gone.png, which does not exist"),
    "a category twice": (lambda d: d["categories"][1].update(id=3), "has the id 3"),
    "a name twice": (lambda d: d["categories"][1].update(name="cat"), "is called 'cat'"),
    "a category without name": (lambda d: d["categories"][0].pop("name"), "needs an id and a name"),
    "no categories": (lambda d: d.pop("categories"), "'categories' must be a list"),
    "numbers for images": (lambda d: d.update(images=[1, 2]), "image 1 of the list has no id"),
    "numbers for annotations": (lambda d: d.update(annotations=[1]), "annotation 1 of the list has no image_id"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_fault_one_line(name: str, root: Path) -> None:
    change, words = WRONG[name]
    edit(root, change)
    with pytest.raises(UserError, match=words) as caught:
        check_scenes(taken(root), "train", CLASSES)
    assert "\n" not in str(caught.value)


def test_all_faults_are_told(root: Path) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["annotations"][0]["bbox"] = [1, 2, 300, 4]
        document["annotations"][1]["category_id"] = 78
        document["images"][2]["file_name"] = "gone.png"

    edit(root, spoil)
    with pytest.raises(Faults) as caught:
        check_scenes(taken(root), "train", CLASSES)
    assert len(caught.value.texts) == 3
    for words in ("outside the image", "category 78", "gone.png"):
        assert any(words in text for text in caught.value.texts)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"images": 3', "{" * 5000, '{"info": NaN}', '{"images": [1e999]}', "\xff\xfe", '{"info": "\x00"}'],
)
def test_what_is_no_json_of_coco_is_one_line(text: str, root: Path) -> None:
    (root / FILE).write_bytes(b'{"info": 1, "x":' + text.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        check_scenes(taken(root), "train", CLASSES)
    assert "instances_train2017.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-3, 3)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=4,
    ),
    place=st.sampled_from(["images", "annotations", "categories"]),
    data=st.data(),
)
def test_no_value_is_a_traceback(
    value: Any, place: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("coco")
    write(root / "d", {"train": SCENES[:2]})
    document = json.loads((root / "d" / FILE).read_text())
    key = data.draw(st.sampled_from(sorted(document[place][0])))
    document[place][0][key] = value
    (root / "d" / FILE).write_text(json.dumps(document))
    reading = coco.read(root / "d", root / "d" / FILE)
    assert reading.faults or len(reading.scenes) == 2


def test_what_published_files_hold_is_accepted_and_told(root: Path) -> None:
    """Boxes thinner than a pixel, which mmdetection drops, and a thousandth of a pixel beyond the edge."""

    def thin(document: dict[str, Any]) -> None:
        document["annotations"][0]["bbox"] = [3, 4, 5, 0.4]
        document["annotations"][1]["bbox"] = [10, 4, 10.004, 8]

    edit(root, thin)
    reading = scenes_of(taken(root), "train")
    assert [len(scene.boxes) for scene in reading.scenes] == [0, 1, 1, 1, 1, 1]
    (remark,) = reading.remarks
    assert "1 objects with a side below one pixel are left out" in remark
    assert check_scenes(taken(root), "train", CLASSES).images_without_objects == 1


def test_the_index_is_of_the_file_as_it_is(root: Path) -> None:
    before = scenes_of(taken(root), "train").scenes
    edit(root, lambda document: document["annotations"].pop())
    after = scenes_of(taken(root), "train").scenes
    assert sum(len(scene.boxes) for scene in after) == sum(len(scene.boxes) for scene in before) - 1


def test_a_damaged_index_is_made_anew(root: Path, tmp_path: Path) -> None:
    before = scenes_of(taken(root), "train").scenes
    for path in (tmp_path / "cache" / "scenes").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert scenes_of(taken(root), "train").scenes == before


def test_two_files_for_one_part_are_refused(root: Path) -> None:
    (root / "annotations" / "instances_train2014.json").write_bytes((root / FILE).read_bytes())
    with pytest.raises(UserError, match=r"two files .* for one part, annotations/instances_train2014.json and"):
        recognise_scenes(root)


def test_other_files_of_coco_are_passed_over(root: Path) -> None:
    for name in ("captions_train2017", "person_keypoints_train2017", "image_info_test2017"):
        (root / "annotations" / f"{name}.json").write_bytes((root / FILE).read_bytes())
    assert sorted(taken(root).parts) == ["train", "val"]


def test_a_part_is_held_out(root: Path) -> None:
    (root / "annotations" / "instances_val2017.json").unlink()
    folder = taken(root)
    with pytest.raises(UserError, match="hold one out with --split"):
        scenes_of(folder, "val")
    held_out = HeldOut(0.5, 0)
    train, val = (scenes_of(folder, part, held_out).scenes for part in ("train", "val"))
    assert bare([*train, *val]) == bare(scenes_of(folder, "train").scenes)
    assert len(val) == 3
    assert {scene.boxes[0].name for scene in val} == set(CLASSES)  # of two images each
    assert scenes_of(folder, "val", HeldOut(0.5, 1)).scenes != val


def test_what_has_a_part_to_measure_on_is_not_divided(root: Path) -> None:
    with pytest.raises(UserError, match="has the part val to measure on"):
        scenes_of(taken(root), "val", HeldOut(0.5, 0))
