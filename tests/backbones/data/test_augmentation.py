"""Crops: where they may lie, how they are distributed, and what they show."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest import approx, mark
from scipy.stats import kstest

from backbones.data.augmentation import random_crop_box, training_view, validation_view


def crops(width: int, height: int, count: int) -> np.ndarray:
    boxes = [random_crop_box(width, height, np.random.default_rng(seed)) for seed in range(count)]
    return np.array(boxes, dtype=float)


@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 2**32))
@settings(deadline=None)
def test_crops_lie_in_the_image(width: int, height: int, seed: int) -> None:
    left, top, right, bottom = random_crop_box(width, height, np.random.default_rng(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@given(st.integers(100, 700), st.floats(0.8, 1.25), st.integers(0, 2**32))
@settings(deadline=None)
def test_area_and_ratio_are_in_the_papers_ranges(width: int, shape: float, seed: int) -> None:
    height = round(width * shape)
    left, top, right, bottom = random_crop_box(width, height, np.random.default_rng(seed))
    pixel = 1 / min(right - left, bottom - top)  # rounding of a side
    assert 0.08 * (1 - 2 * pixel) <= (right - left) * (bottom - top) / (width * height) <= 1.0
    assert 0.75 * (1 - 2 * pixel) <= (right - left) / (bottom - top) <= 4 / 3 * (1 + 2 * pixel)


def test_shape_and_place_follow_the_stated_distributions() -> None:
    # So elongated an image would bend the distribution by rejections: take small crops, which always fit.
    boxes = crops(4000, 4000, 6000)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, ratio = width * height / 4000**2, width / height
    small = area < 0.5
    assert kstest(area[small], "uniform", args=(0.08, 0.42)).pvalue > 1e-3

    def ratio_cdf(value: np.ndarray) -> np.ndarray:  # half uniform on [3/4, 4/3], half the inverse of that
        uniform = (np.clip(value, 0.75, 4 / 3) - 0.75) / (4 / 3 - 0.75)
        inverse = (4 / 3 - np.clip(1 / value, 0.75, 4 / 3)) / (4 / 3 - 0.75)
        return (uniform + inverse) / 2

    assert kstest(ratio[small], ratio_cdf).pvalue > 1e-3
    assert kstest(ratio[small], "uniform", args=(0.75, 4 / 3 - 0.75)).pvalue < 1e-6  # negative control: no swap
    assert kstest(boxes[small, 0] / (4000 - width[small]), "uniform").pvalue > 1e-3
    assert kstest(boxes[small, 1] / (4000 - height[small]), "uniform").pvalue > 1e-3


@mark.parametrize(("size", "expected"), [((1000, 10), (493, 0, 506, 10)), ((10, 1000), (0, 493, 10, 506))])
def test_where_nothing_fits_the_centre_is_taken(size: tuple[int, int], expected: tuple[int, int, int, int]) -> None:
    assert tuple(crops(*size, 1)[0]) == expected


def gradient(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 0 * x], axis=-1).round().astype(np.uint8))


def test_training_view_shows_the_crop_and_flips_half_of_them() -> None:
    image, flipped = gradient(300, 200), 0
    for seed in range(200):
        left, top, right, bottom = random_crop_box(300, 200, np.random.default_rng(seed))
        view = training_view(image, 32, np.random.default_rng(seed)).astype(float)
        assert view.shape == (32, 32, 3)
        red, green = view[..., 0].mean(axis=0), view[..., 1].mean(axis=1)
        flipped += red[0] > red[-1]
        assert red.mean() == approx((left + right - 1) / 2 / 299 * 255, abs=1.0)
        assert green.mean() == approx((top + bottom - 1) / 2 / 199 * 255, abs=1.0)
        assert green[0] < green[-1]
        assert abs(red[-1] - red[0]) == approx((right - left) / 300 * 255 * 31 / 32, abs=4.0)
    assert 75 < flipped < 125


@mark.parametrize("size", [(300, 200), (200, 300), (64, 64), (40, 33), (500, 375)])
@mark.parametrize("side", [64, 224, 299])
def test_validation_view_is_the_centre_at_seven_eighths(size: tuple[int, int], side: int) -> None:
    width, height = size
    view = validation_view(gradient(width, height), side).astype(float)
    assert view.shape == (side, side, 3)
    visible = side / math.ceil(side / 0.875) * min(size)  # pixels of the original that the crop spans
    red, green = view[..., 0].mean(axis=0), view[..., 1].mean(axis=1)
    tolerance = 255 * 1.5 / min(*size, math.ceil(side / 0.875))  # of a pixel, of the original or the resized image
    assert red.mean() == approx(127.5, abs=tolerance)
    assert green.mean() == approx(127.5, abs=tolerance)
    assert red[-1] - red[0] == approx(255 * visible / width * (side - 1) / side, abs=2 * tolerance)
    assert green[-1] - green[0] == approx(255 * visible / height * (side - 1) / side, abs=2 * tolerance)


def test_validation_view_of_a_prepared_image_is_that_image_cut() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert (validation_view(Image.fromarray(pixels), 224) == pixels[16:240, 16:240]).all()
