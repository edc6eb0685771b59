"""Crops: where they may lie, how they are distributed, and what they show."""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest import approx, mark
from scipy.stats import ks_2samp, kstest
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resized_crop

from backbones.data.augmentation import random_crop, random_crop_box, resized, validation_view


def crops(width: int, height: int, count: int) -> np.ndarray:
    boxes = [random_crop_box(width, height, np.random.default_rng(seed)) for seed in range(count)]
    return np.array(boxes, dtype=float)


def training_view(pixels: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    return resized(random_crop(pixels, random), size)


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
    pixels, flipped = np.asarray(gradient(300, 200)), 0
    for seed in range(200):
        left, top, right, bottom = random_crop_box(300, 200, np.random.default_rng(seed))
        view = training_view(pixels, 32, np.random.default_rng(seed)).astype(float)
        assert view.shape == (32, 32, 3)
        red, green = view[..., 0].mean(axis=0), view[..., 1].mean(axis=1)
        flipped += red[0] > red[-1]
        assert red.mean() == approx((left + right - 1) / 2 / 299 * 255, abs=1.0)
        assert green.mean() == approx((top + bottom - 1) / 2 / 199 * 255, abs=1.0)
        assert green[0] < green[-1]
        assert abs(red[-1] - red[0]) == approx((right - left) / 300 * 255 * 31 / 32, abs=4.0)
    assert 75 < flipped < 125


def pillow_view(pixels: np.ndarray, size: int, seed: int, flipped: bool) -> np.ndarray:
    """The same crop by Pillow's resize, whose antialiased bilinear filter is the reference."""
    height, width, _ = pixels.shape
    box = random_crop_box(width, height, np.random.default_rng(seed))
    view = np.asarray(Image.fromarray(pixels).crop(box).resize((size, size), Image.Resampling.BILINEAR))
    return view[:, ::-1] if flipped else view


def photograph(seed: int, height: int = 150, width: int = 200) -> np.ndarray:
    """Blotches and grain: detail at every scale."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8))
    grain = random.normal(0, 15, (height, width, 3))
    return (np.asarray(coarse.resize((width, height))) + grain).clip(0, 255).astype(np.uint8)


@mark.parametrize("size", [32, 96, 224])
def test_training_view_is_pillows_up_to_one_level(size: int) -> None:
    pixels, different = photograph(0), 0.0
    for seed in range(20):
        view = training_view(pixels, size, np.random.default_rng(seed)).astype(int)
        errors = [np.abs(view - pillow_view(pixels, size, seed, flipped)) for flipped in (False, True)]
        error = min(errors, key=np.mean)
        assert error.max() <= 1
        assert max(errors, key=np.mean).mean() > 5  # the control: a picture that is not the same one
        different += error.mean() / 20
    assert different < 0.02


def test_pixels_are_distributed_as_the_references() -> None:
    """Two samples of views of one picture, ours and those of the paper's sentence with torchvision's resize."""
    pixels = photograph(1)
    image = torch.from_numpy(pixels).permute(2, 0, 1)

    def reference(seed: int, area: tuple[float, float]) -> np.ndarray:
        """Straight from the paper's sentence: an area, a ratio, a place, a coin."""
        random = np.random.default_rng(10**6 + seed)
        while True:
            share, ratio = random.uniform(*area), random.uniform(3 / 4, 4 / 3) ** random.choice([-1, 1])
            height, width = (round(math.sqrt(share * 30000 * power)) for power in (1 / ratio, ratio))
            if height <= 150 and width <= 200:
                break
        top, left = random.integers(151 - height), random.integers(201 - width)
        view = resized_crop(image, top, left, height, width, [24, 24], InterpolationMode.BILINEAR, antialias=True)
        return (view.flip(2) if random.random() < 0.5 else view).permute(1, 2, 0).numpy()

    ours = np.stack([training_view(pixels, 24, np.random.default_rng(seed)) for seed in range(1500)])
    same = np.stack([reference(seed, (0.08, 1.0)) for seed in range(1500)])
    other = np.stack([reference(seed, (0.35, 1.0)) for seed in range(1500)])
    for statistic in (lambda views: views[:, 2, 3, 0], lambda views: views[:, 12, 12, 1], contrast):
        assert ks_2samp(statistic(ours), statistic(same)).pvalue > 1e-3
    assert ks_2samp(contrast(ours), contrast(other)).pvalue < 1e-6  # the control


def contrast(views: np.ndarray) -> np.ndarray:
    """Mean difference between neighbours: how far a view was enlarged."""
    return np.abs(np.diff(views.astype(float), axis=2)).mean(axis=(1, 2, 3))


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


def test_an_image_that_may_not_be_written_to_is_taken_whole() -> None:
    """PyTorch warns of such arrays, once per process."""
    torch.set_warn_always(True)
    try:
        pixels = np.full((1, 1, 3), 7, np.uint8)  # of which every crop is all
        pixels.flags.writeable = False
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert (training_view(pixels, 2, np.random.default_rng(0)) == 7).all()
    finally:
        torch.set_warn_always(False)
