"""Scenes: true annotations, and nothing but the outline tells a class."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from PIL import Image, ImageDraw

from backbones.data.shapes import LAYOUTS, OBJECT_CLASSES, STUFF_CLASSES, difficulty, scene
from backbones.data.shapes.outlines import OUTLINES
from backbones.data.shapes.scene import CENTERED, SCATTERED, DrawnScene, Style

# Annotations


def test_xml_box_is_the_extent_of_the_visible_pixels(compose: Callable[[int, int, Style], DrawnScene]) -> None:
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
    compose: Callable[[int, int, Style], DrawnScene], monkeypatch: pytest.MonkeyPatch
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


def test_masks_of_a_scene_are_disjoint(compose: Callable[[int, int, Style], DrawnScene]) -> None:
    for number in range(40):
        picture = compose(number, 64, SCATTERED)
        layers = sum(item.mask.astype(int) for item in picture.objects) + picture.clutter
        assert layers.max() == 1


def test_label_map_agrees_with_the_scene(compose: Callable[[int, int, Style], DrawnScene]) -> None:
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


def test_truncated_and_difficult_mean_what_they_say(compose: Callable[[int, int, Style], DrawnScene]) -> None:
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


def test_colors_do_not_separate_the_classes(compose: Callable[[int, int, Style], DrawnScene]) -> None:
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


def test_sizes_and_places_do_not_separate_the_classes(compose: Callable[[int, int, Style], DrawnScene]) -> None:
    first = [compose(number, 48, CENTERED).objects[0] for number in range(800)]
    labels = np.array([item.label for item in first])
    area = np.array([item.mask.sum() / item.visible for item in first])
    middle = np.array([np.argwhere(item.mask).mean(axis=0) for item in first])
    for column in (np.log(area), middle[:, 0], middle[:, 1]):
        groups = [column[labels == label] for label in range(len(OBJECT_CLASSES))]
        assert scipy.stats.f_oneway(*groups).pvalue > 1e-3


def test_scenes_hold_all_classes_equally_often(compose: Callable[[int, int, Style], DrawnScene]) -> None:
    counts = Counter(item.label for number in range(400) for item in compose(number, 32, SCATTERED).objects)
    assert scipy.stats.chisquare([counts[label] for label in range(len(OBJECT_CLASSES))]).pvalue > 1e-3
    lengths = {len(compose(number, 64, SCATTERED).objects) for number in range(60)}
    assert lengths <= set(range(1, difficulty.SCENE_OBJECTS[1] + 1))
    assert len(lengths) > 2
