"""The one affine map per image, against the steps of paper and GluonCV carried out one after the other, by pixel."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pytest import approx, mark, raises

from backbones.bundles.contract import IMAGENET_MEAN, IMAGENET_STD
from backbones.data.color import (
    RGB_TO_YIQ,
    YIQ_TO_RGB,
    ColorChange,
    apply_color,
    change_contrast,
    color_map,
    identity_color,
    mean_luma,
    random_color,
)
from backbones.recipes.recipe import COLORS

EIGENVALUES = (55.46, 4.794, 1.148)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


def reference_pixel(
    rgb: list[float], brightness: float, saturation: float, hue: float, alphas: list[float]
) -> list[float]:
    """Steps 4, 5 and 6 of Section 2.1 for one pixel, in double precision."""
    r, g, b = (brightness * value for value in rgb)
    gray = 0.299 * r + 0.587 * g + 0.114 * b
    r, g, b = (gray + saturation * (value - gray) for value in (r, g, b))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    i = 0.5959 * r - 0.2746 * g - 0.3213 * b
    q = 0.2115 * r - 0.5227 * g + 0.3112 * b
    angle = (hue - 1) * math.pi
    i, q = i * math.cos(angle) - q * math.sin(angle), i * math.sin(angle) + q * math.cos(angle)
    matrix = [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]
    values = np.linalg.solve(np.array(matrix), np.array([y, i, q]))
    for channel in range(3):
        for component in range(3):
            values[channel] += EIGENVECTORS[channel][component] * EIGENVALUES[component] * alphas[component]
    return [
        (value - mean) / std
        for value, mean, std in zip(values, (123.68, 116.779, 103.939), (58.393, 57.12, 57.375), strict=True)
    ]


def mapped(images: np.ndarray, change: ColorChange) -> np.ndarray:
    maps = color_map(change, IMAGENET_MEAN, IMAGENET_STD)
    if change.contrast is not None:
        maps = change_contrast(maps, change.contrast, torch.from_numpy(images))
    return apply_color(torch.from_numpy(images), maps).permute(0, 2, 3, 1).numpy()


def luma(rgb: Sequence[float]) -> float:
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def reference_image(
    image: NDArray, steps: dict[str, float], order: Sequence[str], bits: bool = False
) -> NDArray[np.float64]:
    """GluonCV's steps on one image (H, W, 3) in double precision, one after the other in some order; 0-255 scale.

    The mean luma is that of the image when contrast's turn comes. ``bits``: clamp and round after each step, as MXNet.
    """
    pixels = [[float(value) for value in rgb] for rgb in image.reshape(-1, 3)]
    for step in order:
        mean = sum(luma(rgb) for rgb in pixels) / len(pixels)
        for rgb in pixels:
            middle = {"brightness": 0.0, "contrast": mean, "saturation": luma(rgb)}[step]
            rgb[:] = [middle + steps[step] * (value - middle) for value in rgb]
            if bits:
                rgb[:] = [float(min(255, max(0, round(value)))) for value in rgb]
    return np.array(pixels).reshape(image.shape)


@mark.parametrize("seed", range(3))
def test_equals_the_steps_one_by_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    change = random_color(4, random)
    result = mapped(images, change)
    for n, row, column in np.ndindex(4, 5, 6):
        expected = reference_pixel(
            [float(value) for value in images[n, row, column]],
            change.brightness[n],
            change.saturation[n],
            change.hue[n],
            list(change.pca[n]),
        )
        np.testing.assert_allclose(result[n, row, column], expected, atol=1e-4)


COEFFICIENT = st.floats(0.6, 1.4)


@given(st.lists(st.integers(0, 255), min_size=3, max_size=3), COEFFICIENT, COEFFICIENT, COEFFICIENT)
@settings(deadline=None)
def test_equals_the_steps_at_the_corners_too(rgb: list[int], b: float, s: float, h: float) -> None:
    change = ColorChange(np.array([b]), np.array([s]), np.array([h]), np.zeros((1, 3)))
    result = mapped(np.array(rgb, dtype=np.uint8).reshape(1, 1, 1, 3), change).ravel()
    np.testing.assert_allclose(result, reference_pixel([float(v) for v in rgb], b, s, h, [0.0] * 3), atol=1e-4)


def test_identity_is_plain_normalisation() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    expected = (images - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    np.testing.assert_allclose(mapped(images, identity_color(3)), expected, atol=1e-5)


def test_gray_stays_gray_under_hue_and_saturation() -> None:
    gray = np.full((1, 1, 1, 3), 200, dtype=np.uint8)
    change = ColorChange(np.ones(1), np.array([1.4]), np.array([0.6]), np.zeros((1, 3)))
    denormalised = mapped(gray, change).ravel() * IMAGENET_STD + IMAGENET_MEAN
    np.testing.assert_allclose(denormalised, 200.0, atol=1e-3)


def test_hue_turns_in_the_direction_of_the_colour_circle() -> None:
    """An independent notion of hue: the HSV angle moves monotonically with the coefficient, by about as much."""
    hues = []
    for coefficient in (0.9, 1.0, 1.1):
        change = ColorChange(np.ones(1), np.ones(1), np.array([coefficient]), np.zeros((1, 3)))
        pixel = mapped(np.array([90, 140, 110], dtype=np.uint8).reshape(1, 1, 1, 3), change).ravel()
        hues.append(colorsys.rgb_to_hsv(*((pixel * IMAGENET_STD + IMAGENET_MEAN) / 255))[0] * 360)
    steps = np.diff(hues)
    assert np.sign(steps[0]) == np.sign(steps[1])
    assert abs(steps).mean() == approx(18, abs=8)


def test_nothing_is_clamped() -> None:
    white = np.full((1, 1, 1, 3), 255, dtype=np.uint8)
    change = ColorChange(np.array([1.4]), np.ones(1), np.ones(1), np.zeros((1, 3)))
    assert (mapped(white, change).ravel() * IMAGENET_STD + IMAGENET_MEAN) == approx([357.0] * 3, abs=1e-3)


def test_coefficients_have_the_papers_ranges() -> None:
    change = random_color(20000, np.random.default_rng(0))
    for coefficient in (change.brightness, change.saturation, change.hue):
        assert 0.6 <= coefficient.min() < 0.602
        assert 1.398 < coefficient.max() <= 1.4
        assert coefficient.mean() == approx(1.0, abs=0.01)
    assert change.pca.std() == approx(0.1, rel=0.02)
    assert change.pca.mean() == approx(0.0, abs=0.002)
    assert abs(np.corrcoef(change.brightness, change.hue)[0, 1]) < 0.03


def test_output_is_channels_last_float32() -> None:
    maps = color_map(identity_color(2), IMAGENET_MEAN, IMAGENET_STD)
    output = apply_color(torch.zeros(2, 8, 9, 3, dtype=torch.uint8), maps)
    assert output.shape == (2, 3, 8, 9)
    assert output.dtype == torch.float32
    assert output.is_contiguous(memory_format=torch.channels_last)


def test_images_do_not_depend_on_those_beside_them() -> None:
    """A batch is worked off in parts of some images, 2 of 224 pixels: here one more than that."""
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (3, 224, 224, 3), dtype=np.uint8))
    maps = color_map(random_color(3, random), IMAGENET_MEAN, IMAGENET_STD)
    whole = apply_color(images, maps)
    for number in range(3):
        assert torch.equal(whole[number], apply_color(images[number : number + 1], maps[number : number + 1])[0])
    assert not torch.equal(whole[2], apply_color(images[2:], maps[1:2])[0])


def random_images(seed: int, count: int = 2) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 5, 3), dtype=np.uint8)


ORDERS = tuple(permutations(("brightness", "contrast", "saturation")))


@given(st.integers(0, 10_000), st.sampled_from(ORDERS), COEFFICIENT, COEFFICIENT, COEFFICIENT)
@settings(deadline=None)
def test_equals_gluoncvs_steps_in_any_order(seed: int, order: tuple[str, ...], b: float, s: float, c: float) -> None:
    images, noise = random_images(seed, 1), np.random.default_rng(seed).normal(0, 0.1, (1, 3))
    change = ColorChange(np.array([b]), np.array([s]), np.ones(1), noise, np.array([c]))
    expected = reference_image(images[0], {"brightness": b, "saturation": s, "contrast": c}, order)
    for channel in range(3):
        for component in range(3):
            expected[..., channel] += EIGENVECTORS[channel][component] * EIGENVALUES[component] * noise[0, component]
    expected = (expected - np.array((123.68, 116.779, 103.939))) / np.array((58.393, 57.12, 57.375))
    np.testing.assert_allclose(mapped(images, change)[0], expected, atol=1e-4)


def test_in_8_bits_the_order_matters() -> None:
    """Negative control of the test above: its reference tells orders apart where MXNet's pixels do."""
    steps = {"brightness": 1.4, "contrast": 0.6, "saturation": 1.4}
    image = random_images(0)[0]
    results = {reference_image(image, steps, order, bits=True).tobytes() for order in ORDERS}
    assert len(results) > 1
    smooth = [reference_image(image, steps, order) for order in ORDERS]
    assert max(abs(smooth[0] - other).max() for other in smooth) < 1e-9


@given(st.integers(0, 10_000), COEFFICIENT, COEFFICIENT, COEFFICIENT, COEFFICIENT)
@settings(deadline=None)
def test_hue_too_commutes_with_contrast(seed: int, b: float, s: float, h: float, c: float) -> None:
    """No choice has both; that the docstring calls the order of all four immaterial is to be true all the same."""
    images = random_images(seed, 1)
    both = ColorChange(np.array([b]), np.array([s]), np.array([h]), np.zeros((1, 3)), np.array([c]))
    colored = mapped(images, ColorChange(both.brightness, both.saturation, both.hue, both.pca)) * IMAGENET_STD
    colored += IMAGENET_MEAN
    mean = np.mean([luma(rgb) for rgb in colored.reshape(-1, 3)])
    expected = (mean + c * (colored[0] - mean) - IMAGENET_MEAN) / np.array(IMAGENET_STD)
    np.testing.assert_allclose(mapped(images, both)[0], expected, atol=1e-4)


def test_contrast_is_about_the_mean_of_its_own_image() -> None:
    images = random_images(0)
    images[1] //= 4
    change = random_color(2, np.random.default_rng(0), "gluoncv")
    both = mapped(images, change)
    for number in range(2):
        alone = mapped(images[number : number + 1], change.part(number, number + 1))
        np.testing.assert_array_equal(both[number], alone[0])
    other = mapped(images[::-1].copy(), change)  # the control: coefficients of the one, mean of the other
    assert abs(other[1] - both[0]).max() > 0.1


@mark.parametrize("shape", [(1, 1), (7, 3), (224, 224)])
def test_mean_luma(shape: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *shape, 3), dtype=np.uint8)
    expected = [np.mean([luma(rgb) for rgb in image.reshape(-1, 3).tolist()]) for image in images]
    assert mean_luma(torch.from_numpy(images)).tolist() == approx(expected, rel=1e-6)


def test_the_mean_of_a_large_white_image_is_white() -> None:
    """255 times its pixels is more than 32 bits hold."""
    white = torch.full((1, 3000, 3000, 3), 255, dtype=torch.uint8)
    assert mean_luma(white).item() == approx(255, rel=1e-6)


def test_both_choices_draw_the_same_but_for_the_third_coefficient() -> None:
    paper = random_color(20000, np.random.default_rng(0))
    gluoncv = random_color(20000, np.random.default_rng(0), "gluoncv")
    for name in ("brightness", "saturation", "pca"):
        np.testing.assert_array_equal(getattr(paper, name), getattr(gluoncv, name))
    assert paper.contrast is None
    assert set(gluoncv.hue) == {1.0}
    assert 0.6 <= gluoncv.contrast.min() < 0.602
    assert 1.398 < gluoncv.contrast.max() <= 1.4
    assert gluoncv.contrast.mean() == approx(1.0, abs=0.01)
    assert abs(np.corrcoef(gluoncv.brightness, gluoncv.contrast)[0, 1]) < 0.03


def test_every_choice_of_the_recipes_can_be_drawn_and_no_other() -> None:
    assert list(COLORS) == ["paper", "gluoncv"]
    changes = [random_color(2, np.random.default_rng(0), choice) for choice in COLORS]
    assert not np.allclose(*(mapped(random_images(0), change) for change in changes), atol=0.01)
    with raises(KeyError):
        random_color(2, np.random.default_rng(0), "none")


def test_yiq_and_back_is_the_identity() -> None:
    assert approx(np.eye(3), abs=1e-15) == YIQ_TO_RGB @ RGB_TO_YIQ
