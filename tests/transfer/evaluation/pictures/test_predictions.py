"""Predicted maps that a run keeps: of the same images in all runs, few bytes, and every pixel a predicted one."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pytest import mark, raises

from backbones.errors import UserError
from transfer.evaluation.pictures.predictions import (
    LONGEST_SIDE,
    MOST_BYTES,
    MOST_IMAGES,
    choose_images,
    read_predictions,
    resample,
    shrink,
    write_predictions,
)

NAMES = [f"images/ö {number:05d}.jpg" for number in range(200)]


def smooth(name: str) -> NDArray:
    """Two classes with a border that differs from image to image."""
    rows, columns = np.mgrid[:300, :400]
    return 149 * (rows + int(name[-9:-4]) > columns)


def test_the_same_images_are_chosen_in_any_order() -> None:
    chosen = choose_images(NAMES)
    assert len(set(chosen)) == MOST_IMAGES
    assert choose_images(random.Random(0).sample(NAMES, len(NAMES))) == chosen
    assert chosen != sorted(chosen)  # not just the first ones
    left = [name for name in NAMES if name not in chosen[:3]]
    assert set(choose_images(left)) > set(chosen[3:])  # each is chosen for itself
    assert choose_images(NAMES[:2]) == choose_images(NAMES[1::-1])


def test_what_is_written_is_read_and_any_viewer_opens_it(tmp_path: Path) -> None:
    write_predictions(tmp_path / "a.zip", NAMES, smooth)
    maps = read_predictions(tmp_path / "a.zip")
    assert list(maps) == choose_images(NAMES)
    for name, labels in maps.items():
        np.testing.assert_array_equal(labels, shrink(smooth(name), LONGEST_SIDE))
        assert labels.shape == (192, 256)
    assert (tmp_path / "a.zip").stat().st_size < MOST_BYTES
    with zipfile.ZipFile(tmp_path / "a.zip") as members, members.open(f"{next(iter(maps))}.png") as stream:
        assert Image.open(stream).size == (256, 192)
    write_predictions(tmp_path / "b.zip", NAMES[::-1], smooth)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_maps_that_take_much_are_fewer_and_the_first_of_the_same(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    write_predictions(tmp_path / "a.zip", NAMES, lambda _: draw.integers(0, 150, (256, 256)))
    kept = list(read_predictions(tmp_path / "a.zip"))
    assert 0 < len(kept) < MOST_IMAGES
    assert kept == choose_images(NAMES)[: len(kept)]
    assert (tmp_path / "a.zip").stat().st_size < 1.02 * MOST_BYTES


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_smaller_maps_hold_predicted_pixels_from_where_they_were(height: int, width: int, longest: int) -> None:
    labels = np.arange(height * width).reshape(height, width)
    small = shrink(labels, longest)
    assert max(small.shape) == min(longest, max(height, width))
    rows, columns = np.divmod(small, width)
    for places, whole, part in ((rows[:, 0], height, small.shape[0]), (columns[0], width, small.shape[1])):
        exact = (np.arange(part) + 0.5) * whole / part - 0.5
        assert (abs(places - exact) <= 0.5 + 1e-9).all()
    np.testing.assert_array_equal(shrink(labels, 40), labels)
    np.testing.assert_array_equal(resample(resample(labels, 3 * height, 2 * width), height, width), labels)


@mark.parametrize("breakage", ["cut", "no archive", "colours", "gone"])
def test_a_file_that_is_not_whole_is_refused(breakage: str, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_predictions(path, NAMES, smooth)
    if breakage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif breakage == "no archive":
        path.write_text("no archive")
    elif breakage == "colours":
        Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
        with zipfile.ZipFile(path, "w") as members:
            members.write(tmp_path / "a.png", "a.png.png")
    else:
        path.unlink()
    with raises(UserError, match=r"a\.zip is missing or damaged"):
        read_predictions(path)


@mark.parametrize("fault", ["many", "large", "packed", "pixels"])
def test_an_archive_is_measured_before_it_is_unpacked(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    stream = io.BytesIO()
    Image.new("L", (300, 300) if fault == "pixels" else (3, 2)).save(stream, "png")
    png = stream.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if fault == "packed" else zipfile.ZIP_STORED) as members:
        for number in range(MOST_IMAGES + 1 if fault == "many" else 1):
            members.writestr(f"{number}.png", png + bytes(MOST_BYTES if fault == "large" else 0))
    with raises(
        UserError, match=r"a\.zip is missing or damaged \((more than 32 maps|'0\.png' is packed|300 x 300 pixels)"
    ):
        read_predictions(path)
