"""The same labels, written in each layout and coding, are read as what they were."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from backbones.data.folders.drawing_lots import HeldOut
from backbones.errors import UserError
from transfer.data.faults import Faults
from transfer.data.masks import coco_stuff as coco_stuff_names
from transfer.data.masks.check import check_masks
from transfer.data.masks.coding import VOID, read_mask
from transfer.data.masks.folder import CAMVID, MaskFolder, recognise_masks

NAMES = ("sky", "road", "a tree")
COLOURS = {0: (10, 20, 30), 1: (10, 20, 31), 2: (200, 0, 0), VOID: (0, 0, 0)}
TABLE = "".join(f"{name} {r} {g} {b}\n" for name, (r, g, b) in zip((*NAMES, "void"), COLOURS.values(), strict=True))
Labels = dict[str, np.ndarray]  # by name of the image; those of a part have its first letter


def picture(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(str(path)) + int(labels.sum())).integers(0, 256, (*labels.shape, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def values(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def palette(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels, "P") if False else Image.frombytes("P", labels.shape[::-1], labels.tobytes())
    image.putpalette([channel for value in range(256) for channel in COLOURS.get(value, (1, 1, value))])
    image.save(path)


def colours(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.zeros((256, 3), np.uint8)
    for value, colour in COLOURS.items():
        table[value] = colour
    Image.fromarray(table[labels]).save(path)


def part(name: str) -> str:
    return {"t": "train", "v": "val"}[name[0]]


def each(labels: Labels, image: str, mask: str, write: Callable[[Path, np.ndarray], None], root: Path) -> None:
    for name, content in labels.items():
        picture(root / image.format(part=part(name), name=name), content)
        write(root / mask.format(part=part(name), name=name), content)


def lists(root: Path, labels: Labels) -> None:
    for name in ("train", "val"):
        (root / f"{name}.txt").write_text("".join(f"{each}\n" for each in labels if part(each) == name))


def own(root: Path, labels: Labels) -> None:
    each(labels, "images/{name}.png", "annotations/{name}.png", values, root)
    lists(root, labels)
    (root / "classes.txt").write_text("\n".join(NAMES))


def two_folders(root: Path, labels: Labels) -> None:
    each(labels, "images/{part}/{name}.jpg", "masks/{part}/{name}.png", colours, root)
    (root / "colors.txt").write_text(TABLE)


def with_palette(root: Path, labels: Labels) -> None:
    each(labels, "images/{part}/{name}.bmp", "labels/{part}/{name}.png", palette, root)
    (root / "colors.txt").write_text(TABLE)


def palette_values(root: Path, labels: Labels) -> None:
    each(labels, "images/{part}/{name}.jpeg", "masks/{part}/{name}.png", palette, root)
    (root / "classes.txt").write_text("\n".join(NAMES))


def kaggle_camvid(root: Path, labels: Labels) -> None:
    each(labels, "{part}/{name}.png", "{part}_labels/{name}_L.png", colours, root)
    (root / "class_dict.csv").write_text("name,r,g,b\n" + TABLE.replace("a tree", "a-tree").replace(" ", ","))


def cvat(root: Path, labels: Labels) -> None:
    each(labels, "JPEGImages/{name}.jpg", "SegmentationClass/{name}.png", colours, root)
    lines = [line.split() for line in TABLE.replace("a tree", "a-tree").splitlines()]
    (root / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\n" + "".join(f"{n}:{r},{g},{b}::\n" for n, r, g, b in lines)
    )
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for name in ("train", "val"):
        listed = "".join(f"{each}\n" for each in labels if part(each) == name)
        (root / "ImageSets" / "Segmentation" / f"{name}.txt").write_text(listed)


def roboflow(root: Path, labels: Labels) -> None:
    each(labels, "{part}/{name}.jpg", "{part}/{name}_mask.png", values, root)
    (root / "train" / "_classes.csv").write_text("Pixel Value, Class\n0, sky\n1, road\n2, a tree\n")


def camvid(root: Path, labels: Labels) -> None:
    def write(path: Path, content: np.ndarray) -> None:
        values(path, np.where(content == VOID, len(CAMVID), content).astype(np.uint8))

    each(labels, "{part}/{name}.png", "{part}annot/{name}.png", write, root)


def cityscapes(root: Path, labels: Labels) -> None:
    ids = np.full(256, 3, np.uint8)  # a value of the 34 that names no class
    ids[:3] = 7, 8, 11

    def write(path: Path, content: np.ndarray) -> None:
        values(path, ids[content])

    image, mask = "leftImg8bit/{part}/ulm/{name}_leftImg8bit.png", "gtFine/{part}/ulm/{name}_gtFine_labelIds.png"
    each(labels, image, mask, write, root)


def coded(codes: tuple[int, int, int, int]) -> Callable[[Path, np.ndarray], None]:
    """Writes the values that stand for the first three classes and for void."""
    table = np.zeros(256, np.uint8)
    table[[0, 1, 2, VOID]] = codes

    def write(path: Path, content: np.ndarray) -> None:
        values(path, table[content])

    return write


def coco_stuff(root: Path, labels: Labels, image: str = "images/{part}2017/{name}.jpg") -> None:
    each(labels, image, "annotations/{part}2017/{name}_labelTrainIds.png", values, root)
    each(labels, image, "annotations/{part}2017/{name}.png", coded((9, 9, 9, 9)), root)  # which nobody reads


def coco_stuff_published(root: Path, labels: Labels) -> None:
    each(labels, "{part}2017/{name}.jpg", "stuffthingmaps/{part}2017/{name}.png", values, root)


def coco_stuff_10k(root: Path, labels: Labels) -> None:
    years = {"train": "train2014", "val": "test2014"}
    for name, content in labels.items():
        picture(root / "images" / years[part(name)] / f"{name}.jpg", content)
        path = root / "annotations" / years[part(name)] / f"{name}_labelTrainIds.png"
        coded((1, 2, 3, 0))(path, content)


def pixelmaps(root: Path, labels: Labels) -> None:
    mask = "annotations/stuff_{part}2017_pixelmaps/{name}.png"
    each(labels, "{part}2017/{name}.jpg", mask, coded((92, 93, 94, 0)), root)


def tiff(root: Path, labels: Labels) -> None:
    each(labels, "images/{part}/{name}.tiff", "masks/{part}/{name}.png", values, root)
    (root / "classes.txt").write_text("\n".join(NAMES))


LAYOUTS = {
    "COCO-Stuff": (coco_stuff, "COCO-Stuff in mmsegmentation's layout"),
    "COCO-Stuff 10k": (coco_stuff_10k, "COCO-Stuff in mmsegmentation's layout (10k)"),
    "COCO-Stuff as published": (coco_stuff_published, "COCO-Stuff"),
    "COCO's pixelmaps": (pixelmaps, "COCO with pixelmaps of stuff"),
    "TIFF": (tiff, "images and masks of values"),
    "own": (own, "images and masks of values"),
    "two folders": (two_folders, "images with masks in the colours of colors.txt"),
    "palette and colours": (with_palette, "images with masks in the colours of colors.txt"),
    "palette and values": (palette_values, "images and masks of values"),
    "CamVid in colours": (kaggle_camvid, "images with masks in the colours of class_dict.csv"),
    "CVAT": (cvat, "images with masks in the colours of labelmap.txt"),
    "Roboflow": (roboflow, "images with masks beside them, as Roboflow exports them"),
    "CamVid": (camvid, "CamVid"),
    "Cityscapes": (cityscapes, "Cityscapes"),
}


@st.composite
def labelled(draw: st.DrawFn) -> Labels:
    found = {}
    for name in ("t1", "t2", "v1"):
        height, width = draw(st.integers(2, 6)), draw(st.integers(2, 6))
        cells = draw(st.lists(st.sampled_from([0, 1, 2, VOID]), min_size=height * width, max_size=height * width))
        found[name] = np.array(cells, np.uint8).reshape(height, width)
        found[name][0, :2] = 0, 1
    return found


def taken(root: Path) -> MaskFolder:
    found = recognise_masks(root)
    assert found is not None
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_labels_written_are_the_labels_read(name: str) -> None:
    write, what = LAYOUTS[name]

    @settings(max_examples=4, deadline=None)
    @given(labels=labelled())
    def holds(labels: Labels) -> None:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setenv("CARRYOVER_CACHE", f"{folder}/cache")
            root = Path(folder) / "data"
            root.mkdir()
            write(root, labels)
            found = taken(root)
            assert found.what == what
            read = {
                pair.image.stem.removesuffix("_leftImg8bit"): read_mask(pair.mask, found.coding)
                for pairs in found.parts.values()
                for pair in pairs
            }
            assert read.keys() == labels.keys()
            for each, content in labels.items():
                np.testing.assert_array_equal(read[each], content)
            summary = check_masks(found, "train")
            assert summary.images == 2
            assert len(check_masks(found, found.measured).pixels) == len(found.classes)
            both = np.concatenate([labels["t1"].ravel(), labels["t2"].ravel()])
            assert list(summary.pixels.values())[:3] == [int((both == label).sum()) for label in range(3)]
            assert summary.unlabelled_share == pytest.approx((both == VOID).mean())

    holds()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


LABELS = {name: np.array([[0, 1, 2], [0, VOID, number]], np.uint8) for number, name in enumerate(("t1", "t2", "v1"))}


def test_a_colour_that_nobody_names(root: Path) -> None:
    two_folders(root, LABELS)
    (root / "colors.txt").write_text(TABLE.replace("200 0 0", "201 0 0"))
    with pytest.raises(Faults, match=r"has the colour 200 0 0 \(1 pixels\), which the table of colours does not name"):
        check_masks(taken(root), "train")


def test_void_that_has_a_value_of_its_own(root: Path) -> None:
    own(root, {name: np.where(labels == VOID, 3, labels).astype(np.uint8) for name, labels in LABELS.items()})
    with pytest.raises(Faults, match=r"the value 3 .* If 3 is void, no class of its own, write 255 for it") as caught:
        check_masks(taken(root), "train")
    assert len(caught.value.texts) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sky 1 2\n", "write NAME R G B"),
        ("sky 1 2 300\n", "write NAME R G B"),
        (f"sky 1 2 {'3' * 5000}\n", "write NAME R G B"),
        ("sky 1 2 3\nroad 1 2 3\n", "the colour 1 2 3 is there twice"),
        ("sky 1 2 3\nsky 1 2 4\n", "class 'sky' is there twice"),
        ("void 1 2 3\n", "names 0 classes"),
    ],
)
def test_a_table_that_is_wrong(text: str, words: str, root: Path) -> None:
    two_folders(root, LABELS)
    (root / "colors.txt").write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        recognise_masks(root)
    assert "colors.txt" in str(caught.value)


def test_what_is_missing_or_damaged_is_told_all_at_once(root: Path) -> None:
    two_folders(root, LABELS)
    (root / "masks" / "train" / "t1.png").unlink()
    image = root / "images" / "train" / "t2.jpg"
    image.write_bytes(image.read_bytes()[:40])
    values(root / "masks" / "train" / "t2.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(Faults) as caught:
        check_masks(taken(root), "train")
    assert len(caught.value.texts) == 2
    assert "masks/train/t1.png does not exist" in caught.value.texts[0]


def test_another_size_is_a_fault(root: Path) -> None:
    two_folders(root, LABELS)
    colours(root / "masks" / "train" / "t2.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(Faults, match=r"t2.png is 5 x 5, but .*t2.jpg is 3 x 2"):
        check_masks(taken(root), "train")


def test_masks_that_nobody_explains(root: Path) -> None:
    two_folders(root, LABELS)
    (root / "colors.txt").unlink()
    with pytest.raises(UserError, match=r"nothing says what a mask's pixels mean; write .*classes.txt"):
        recognise_masks(root)


def test_smoothed_colours_are_refused(root: Path) -> None:
    two_folders(root, LABELS)
    mask = root / "masks" / "train" / "t1.png"
    Image.open(mask).save(root / "x.jpg")
    (root / "x.jpg").rename(mask)
    with pytest.raises(Faults, match="is a JPEG file, whose colours are not exact"):
        check_masks(taken(root), "train")


def test_outlines_are_drawn(root: Path) -> None:
    """Rectangles of whole corners cover their pixels, the later one on top; what no outline holds is background."""
    expected = np.zeros((8, 10), np.uint8)
    expected[1:5, 2:6] = 1
    expected[3:8, 4:10] = 2
    shapes = [
        {"label": "road", "shape_type": "rectangle", "points": [[2, 1], [6, 5]]},
        {"label": "tree", "shape_type": "rectangle", "points": [[10, 8], [4, 3]]},
    ]
    for name in ("train/a", "val/b"):
        picture(root / f"{name}.png", expected)
        document = {"version": "5", "flags": {}, "shapes": shapes, "imageWidth": 10, "imageHeight": 8}
        (root / f"{name}.json").write_text(json.dumps(document))
    (root / "classes.txt").write_text("background\nroad\ntree\n")
    found = taken(root)
    np.testing.assert_array_equal(read_mask(found.parts["train"][0].mask, found.coding), expected)
    assert check_masks(found, "train").pixels == {
        name: int((expected == n).sum()) for n, name in enumerate(found.classes)
    }
    (root / "classes.txt").write_text("road\ntree\n")
    assert check_masks(taken(root), "train").unlabelled_share == pytest.approx(float((expected == 0).mean()))


def test_the_classes_of_coco_stuff_are_those_of_mmsegmentation() -> None:
    from transfer.openmmlab import ops_bridge

    ops_bridge.install()
    from mmseg.datasets import COCOStuffDataset

    assert tuple(COCOStuffDataset.METAINFO["classes"]) == coco_stuff_names.CLASSES


@pytest.mark.parametrize(("value", "number"), [(0, 0), (10, 10), (12, 11), (24, 23), (89, 79), (91, 80), (181, 170)])
def test_the_values_of_coco_stuff_that_name_classes(value: int, number: int, root: Path) -> None:
    """Of the 182, mmsegmentation's converter has its numbers; eleven in between name none."""
    coco_stuff_published(root, LABELS)
    assert taken(root).coding.labels[value] == number
    values(root / "stuffthingmaps" / "train2017" / "t1.png", np.array([[11, 0, 1], [0, 0, 0]], np.uint8))
    with pytest.raises(Faults, match=r"t1\.png has the value 11"):
        check_masks(taken(root), "train")


def test_camvid_as_it_is_published_is_divided_on_request(root: Path) -> None:
    labels = {f"t{number}": np.array([[0, 1, 2], [0, VOID, 1]], np.uint8) for number in range(4)}
    each(labels, "701_StillsRaw_full/{name}.png", "LabeledApproved_full/{name}_L.png", colours, root)
    lines = [line.rsplit(" ", 3) for line in TABLE.splitlines()]
    (root / "label_colors.txt").write_text("".join(f"{r} {g} {b}\t{name}\n" for name, r, g, b in lines))
    found = taken(root)
    assert (list(found.parts), found.classes) == (["all"], NAMES)
    train, val = (check_masks(found, part, HeldOut(0.25, 0)) for part in ("train", "val"))
    assert (train.images, val.images) == (3, 1)
    with pytest.raises(UserError, match="is not divided into training and validation; hold a part out with --split"):
        check_masks(found, "train")


def test_a_list_names_images_in_folders(root: Path) -> None:
    for name in ("a/1", "b/1", "b/2.x"):
        picture(root / "images" / f"{name}.png", LABELS["t1"])
        values(root / "masks" / f"{name}.png", LABELS["t1"])
    (root / "classes.txt").write_text("\n".join(NAMES))
    (root / "train.txt").write_text("a/1\nb/1.png\n")
    (root / "val.txt").write_text("2.x\n")
    parts = taken(root).parts
    assert [pair.image.parent.name for pair in parts["train"]] == ["a", "b"]
    assert parts["val"][0].mask == root / "masks" / "b" / "2.x.png"
    (root / "train.txt").write_text("1\n")
    with pytest.raises(UserError, match=r"train\.txt names '1', which is several images here; write its path"):
        taken(root)


def test_index_pngs_are_read_as_ever(root: Path) -> None:
    each(LABELS, "images/{name}.jpg", "annotations/{name}.png", values, root)
    lists(root, LABELS)
    (root / "classes.txt").write_text("\n".join(NAMES))
    assert recognise_masks(root) is None
