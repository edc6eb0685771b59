"""The made-up data set: equal bytes for equal arguments, true annotations, nothing but the outline tells a class."""

from __future__ import annotations

import hashlib
import itertools
import json
import tracemalloc
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from PIL import Image, ImageDraw
from torchvision.datasets import ImageFolder, VOCDetection

from backbones.data.shapes import (
    LAYOUTS,
    OBJECT_CLASSES,
    STUFF_CLASSES,
    cached_shapes,
    difficulty,
    generation,
    image_count,
    make_shapes,
    scene,
)
from backbones.data.shapes.outlines import OUTLINES
from backbones.data.shapes.scene import CENTERED, SCATTERED, Scene, Style, compose_scene
from backbones.errors import UserError
from transfer.data.index_png import check_index_png
from transfer.data.voc import check_voc, read_classes

IMAGES, SIZE = 60, 48


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small complete data set."""
    return make_shapes(tmp_path_factory.mktemp("shapes") / "data", IMAGES, SIZE)


@pytest.fixture(scope="module")
def compose() -> Callable[[int, int, Style], Scene]:
    """A scene by its number, whose foremost object has class number modulo their count."""

    def make(number: int, size: int, style: Style) -> Scene:
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([7, number])))
        return compose_scene(random, size, style, number % len(OBJECT_CLASSES))

    return make


def tree_bytes(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# Same bytes


def test_worker_count_and_repetition_change_no_byte(shapes: Path, tmp_path: Path) -> None:
    again = make_shapes(tmp_path / "again", IMAGES, SIZE, workers=2)
    assert tree_bytes(again) == tree_bytes(shapes)


def test_another_seed_changes_every_image(shapes: Path, tmp_path: Path) -> None:
    other = tree_bytes(make_shapes(tmp_path / "other", IMAGES, SIZE, seed=1, layouts=["detection"]))
    first = tree_bytes(shapes)
    images = [name for name in other if name.endswith(".jpg")]
    assert images
    assert all(other[name] != first[name] for name in images)


def test_no_image_occurs_twice(shapes: Path) -> None:
    contents = [content for name, content in tree_bytes(shapes).items() if name.endswith(".jpg")]
    assert len(contents) == image_count(IMAGES) == 3 * (60 + 15)
    assert len(set(contents)) == len(contents)


def test_a_layout_does_not_depend_on_the_others(shapes: Path, tmp_path: Path) -> None:
    alone = tree_bytes(make_shapes(tmp_path / "alone", IMAGES, SIZE, layouts=["segmentation"]))
    del alone["shapes.json"]
    assert alone.items() <= tree_bytes(shapes).items()
    assert not (tmp_path / "alone" / "VOCdevkit").exists()


def test_digest_covers_names_and_contents(shapes: Path) -> None:
    files = tree_bytes(shapes)
    description = json.loads(files.pop("shapes.json"))
    total = sum(
        int(hashlib.sha256(f"{name}\0{hashlib.sha256(content).hexdigest()}".encode()).hexdigest(), 16)
        for name, content in files.items()
    )
    assert description["sha256"] == f"{total % 2**256:064x}"
    assert description["generator_version"] == generation.GENERATOR_VERSION
    assert description["arguments"] == {"images": IMAGES, "size": SIZE, "seed": 0, "layouts": list(LAYOUTS)}
    assert description["difficulty"]["NOISE"] == difficulty.NOISE


# Layouts


def test_image_folder_is_balanced(shapes: Path) -> None:
    for split, count in (("train", IMAGES), ("val", IMAGES // 4)):
        data = ImageFolder(str(shapes / "classification" / split))
        assert tuple(data.classes) == tuple(sorted(OBJECT_CLASSES))
        counts = Counter(data.targets)
        assert counts.total() == count
        assert max(counts.values()) - min(counts.values()) <= 1
        assert data[0][0].size == (SIZE, SIZE)


def test_validation_holds_every_class_however_small(tmp_path: Path) -> None:
    root = make_shapes(tmp_path / "small", 10, 32, layouts=["classification"])
    assert set(Counter(ImageFolder(str(root / "classification" / "val")).targets).values()) == {1}


def test_voc_layout_is_read_by_torchvision(shapes: Path) -> None:
    train = VOCDetection(str(shapes), year="2007", image_set="trainval")
    assert len(train) == IMAGES
    image, target = train[3]
    annotation = target["annotation"]
    assert image.size == (int(annotation["size"]["width"]), int(annotation["size"]["height"])) == (SIZE, SIZE)
    assert annotation["filename"] == "000004.jpg"
    assert annotation["object"][0]["name"] == OBJECT_CLASSES[3]


def test_voc_layout_passes_the_check_before_training(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))
    devkit = shapes / "VOCdevkit"
    classes = read_classes(devkit / "classes.txt")
    assert classes == OBJECT_CLASSES
    for split, count in (("trainval", IMAGES), ("test", IMAGES // 4)):
        summary = check_voc(devkit, [("VOC2007", split)], classes)
        assert summary.images == count
        assert summary.images_without_objects == 0
        assert min(summary.objects.values()) > 0


def test_ade_layout_passes_the_check_before_training(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))
    root = shapes / "ADEChallengeData2016"
    classes = read_classes(root / "classes.txt")
    assert classes == OBJECT_CLASSES + STUFF_CLASSES
    for split, count in (("training", IMAGES), ("validation", IMAGES // 4)):
        summary = check_index_png(root, f"images/{split}", f"annotations/{split}", classes)
        assert summary.images == count
        assert min(summary.pixels.values()) > 0
        assert 0.01 < summary.unlabelled_share < 0.4


# Annotations


def test_xml_box_is_the_extent_of_the_visible_pixels(compose: Callable[[int, int, Style], Scene]) -> None:
    for number in range(40):
        picture = compose(number, 64, SCATTERED)
        files = LAYOUTS["detection"].files(picture, 0, "trainval", 1)
        xml = ElementTree.fromstring(files["VOCdevkit/VOC2007/Annotations/000001.xml"])
        elements = xml.findall("object")
        assert len(elements) == len(picture.objects)
        for element, item in zip(elements, picture.objects, strict=True):
            rows, columns = np.nonzero(item.mask)
            expected = [columns.min() + 1, rows.min() + 1, columns.max() + 1, rows.max() + 1]
            corners = [int(element.findtext(f"bndbox/{corner}")) for corner in ("xmin", "ymin", "xmax", "ymax")]
            assert corners == expected
            assert element.findtext("name") == item.name == OBJECT_CLASSES[item.label]
            assert element.findtext("difficult") == str(int(item.difficult))


def test_masks_are_what_the_picture_shows(
    compose: Callable[[int, int, Style], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Painted flat, each surface in a colour of its own, the picture must show each object where its mask is."""
    palette = np.random.default_rng(0).integers(0, 256, (100, 3), dtype=np.uint8)  # no colour is a blend of others
    surfaces = iter(palette)

    def flat(random: np.random.Generator, texture: int, colors: object, height: int, width: int) -> np.ndarray:
        return np.broadcast_to(next(surfaces), (height, width, 3)).copy()

    monkeypatch.setattr(scene, "paint", flat)
    for name in ("NOISE", "LIGHT", "BLUR"):
        monkeypatch.setattr(difficulty, name, 0)
    for number in range(30):
        surfaces = iter(palette)
        picture = compose(number, 96, SCATTERED)
        pixels = np.asarray(picture.image)
        for item in picture.objects:
            inner = scipy.ndimage.binary_erosion(item.mask, np.ones((3, 3)))
            if inner.sum() < 20:
                continue
            colors, counts = np.unique(pixels[inner], axis=0, return_counts=True)
            solid = (pixels == colors[counts.argmax()]).all(axis=2)
            assert not (solid & ~item.mask).any()
            assert (inner & ~solid).sum() <= 0.05 * inner.sum()  # faint edges of what lies in front


def test_masks_of_a_scene_are_disjoint(compose: Callable[[int, int, Style], Scene]) -> None:
    for number in range(40):
        picture = compose(number, 64, SCATTERED)
        layers = sum(item.mask.astype(int) for item in picture.objects) + picture.clutter
        assert layers.max() == 1


def test_label_map_agrees_with_the_scene(compose: Callable[[int, int, Style], Scene]) -> None:
    for number in range(20):
        picture = compose(number, 64, SCATTERED)
        labels = picture.label_map()
        assert labels.dtype == np.uint8
        assert labels.max() <= len(OBJECT_CLASSES) + len(STUFF_CLASSES)
        assert not labels[picture.clutter].any()
        free = ~picture.clutter
        for item in picture.objects:
            assert set(np.unique(labels[item.mask]).tolist()) <= {0, item.label + 1}
            free &= ~item.mask
        stuff = labels[free]
        assert (stuff[stuff > 0] == picture.stuff[free][stuff > 0] + 1 + len(OBJECT_CLASSES)).all()
        assert (stuff > 0).mean() > 0.7


def test_truncated_and_difficult_mean_what_they_say(compose: Callable[[int, int, Style], Scene]) -> None:
    objects = [item for number in range(150) for item in compose(number, 64, SCATTERED).objects]
    for item in objects:
        tiny = item.mask.sum() < (difficulty.DIFFICULT_SIDE * 64) ** 2
        assert item.difficult == (item.visible < difficulty.DIFFICULT_VISIBLE or tiny)
        assert item.visible >= difficulty.SCENE_VISIBLE
        if not item.truncated:
            assert item.visible > 0.15
    share = np.mean([item.difficult for item in objects])
    assert 0.02 < share < 0.4
    assert 0.1 < np.mean([item.truncated for item in objects]) < 0.8


# Only the outline tells the class


def test_outlines_have_area_one_around_the_origin() -> None:
    scale, middle = 300, 512
    for name, polygons in OUTLINES.items():
        image = Image.new("1", (2 * middle, 2 * middle))
        for number, points in enumerate(polygons):
            ImageDraw.Draw(image).polygon((points * scale + middle).ravel().tolist(), fill=int(number == 0))
        mask = np.asarray(image)
        assert mask.sum() / scale**2 == pytest.approx(1, abs=0.02), name
        assert np.argwhere(mask).mean(axis=0) == pytest.approx((middle, middle), abs=3), name


def test_no_rotation_or_reflection_makes_two_outlines_alike() -> None:
    def mask(name: str, angle: float, mirror: int) -> np.ndarray:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        image = Image.new("1", (64, 64))
        for number, points in enumerate(OUTLINES[name]):
            moved = (points * (1, mirror)) @ turn.T * 28 + 32
            ImageDraw.Draw(image).polygon(moved.ravel().tolist(), fill=int(number == 0))
        return np.asarray(image).ravel()

    turned = {
        name: np.stack([mask(name, angle, mirror) for angle in np.arange(0, 6.3, 0.15) for mirror in (1, -1)])
        for name in OUTLINES
    }
    for one, other in itertools.combinations(OUTLINES, 2):
        common = (turned[one][0] & turned[other]).sum(axis=1)
        overlap = common / (turned[one][0] | turned[other]).sum(axis=1)
        assert overlap.max() < 0.9, (one, other)


def test_colors_do_not_separate_the_classes(compose: Callable[[int, int, Style], Scene]) -> None:
    """Analysis of variance between the classes; the negative control leaks a tenth of the range into one class."""
    features, labels = [], []
    for number in range(1200):
        picture = compose(number, 32, CENTERED)
        pixels = np.asarray(picture.image).astype(float)
        inside = picture.objects[0].mask
        outside = ~np.any([item.mask for item in picture.objects], axis=0) & ~picture.clutter
        # Medians: what blur mixes along an outline depends on its length, which is shape and not colour.
        features.append([*np.median(pixels[outside], axis=0), *np.median(pixels[inside], axis=0)])
        labels.append(picture.objects[0].label)
    table, classes = np.array(features), np.array(labels)

    def separation(column: np.ndarray) -> float:
        return scipy.stats.f_oneway(*(column[classes == label] for label in range(len(OBJECT_CLASSES)))).pvalue

    assert min(separation(column) for column in table.T) > 1e-3
    assert separation(table[:, 3] + 25 * (classes == 4)) < 1e-3


def test_sizes_and_places_do_not_separate_the_classes(compose: Callable[[int, int, Style], Scene]) -> None:
    first = [compose(number, 48, CENTERED).objects[0] for number in range(800)]
    labels = np.array([item.label for item in first])
    area = np.array([item.mask.sum() / item.visible for item in first])
    middle = np.array([np.argwhere(item.mask).mean(axis=0) for item in first])
    for column in (np.log(area), middle[:, 0], middle[:, 1]):
        groups = [column[labels == label] for label in range(len(OBJECT_CLASSES))]
        assert scipy.stats.f_oneway(*groups).pvalue > 1e-3


def test_scenes_hold_all_classes_equally_often(compose: Callable[[int, int, Style], Scene]) -> None:
    counts = Counter(item.label for number in range(400) for item in compose(number, 32, SCATTERED).objects)
    assert scipy.stats.chisquare([counts[label] for label in range(len(OBJECT_CLASSES))]).pvalue > 1e-3
    lengths = {len(compose(number, 64, SCATTERED).objects) for number in range(60)}
    assert lengths <= set(range(1, difficulty.SCENE_OBJECTS[1] + 1))
    assert len(lengths) > 2


# All or nothing


@pytest.mark.parametrize("workers", [1, 2])
def test_interruption_leaves_nothing(tmp_path: Path, workers: int) -> None:
    seen = []

    def interrupt(count: int) -> None:
        seen.extend(path.name for path in tmp_path.iterdir())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_shapes(tmp_path / "data", 200, 32, workers=workers, progress=interrupt)
    assert len(seen) == 1
    assert seen[0] != "data"  # there was something to clean up, under another name
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_one_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UserError, match=r"cannot write .*data.*No space left"):
        make_shapes(tmp_path / "data", 10, 32)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays_untouched(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="folder exists and is not empty"):
        make_shapes(tmp_path / "folder", 10, 32)
    with pytest.raises(UserError, match="file exists and is not a folder"):
        make_shapes(tmp_path / "file", 10, 32)
    assert tree_bytes(tmp_path) == {"folder/mine.txt": b"mine", "file": b"mine"}


def test_folder_filled_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "data"

    def intrude(count: int) -> None:
        target.mkdir(exist_ok=True)
        (target / "mine.txt").write_text("mine")

    with pytest.raises(UserError, match="cannot write"):
        make_shapes(target, 10, 32, layouts=["detection"], progress=intrude)
    assert tree_bytes(tmp_path) == {"data/mine.txt": b"mine"}


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert make_shapes(tmp_path / "data", 10, 32, layouts=["detection"]) == tmp_path / "data"
    assert (tmp_path / "data" / "shapes.json").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 5}, "images is 5"),
        ({"size": 31}, "size is 31"),
        ({"seed": -1}, "seed is -1"),
        ({"workers": 0}, "workers is 0"),
        ({"layouts": ["detection", "depth"]}, "unknown layout depth; layouts are classification, detection"),
        ({"layouts": []}, "unknown layout"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_shapes(**{"out": tmp_path / "data", "images": 10, "size": 32, **change})
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    def peak(images: int) -> int:
        tracemalloc.start()
        make_shapes(tmp_path / str(images), images, 32, layouts=["detection"])
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(20)  # fills the caches
    assert peak(200) < peak(40) + 100_000  # the pixels of 200 more images are 600,000 bytes


# Cache


def test_cache_makes_once_and_tells_arguments_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))
    first = cached_shapes(10, 32, layouts=["detection"])
    assert first.parent == tmp_path
    assert first.name.startswith("shapes-")
    made = (first / "shapes.json").stat().st_mtime_ns
    assert cached_shapes(10, 32, layouts=["detection"], workers=2) == first
    assert (first / "shapes.json").stat().st_mtime_ns == made
    assert cached_shapes(10, 32, seed=1, layouts=["detection"]) != first
    with monkeypatch.context() as patch:
        patch.setattr(difficulty, "NOISE", difficulty.NOISE + 1)
        assert cached_shapes(10, 32, layouts=["detection"]) != first
    monkeypatch.setattr(generation, "GENERATOR_VERSION", generation.GENERATOR_VERSION + 1)
    assert cached_shapes(10, 32, layouts=["detection"]) != first


def test_cache_takes_what_a_faster_process_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))

    def overtake(count: int) -> None:
        if not any(tmp_path.glob("shapes-*")):
            cached_shapes(10, 32, layouts=["detection"])

    folder = cached_shapes(10, 32, layouts=["detection"], progress=overtake)
    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "shapes.json").is_file()
