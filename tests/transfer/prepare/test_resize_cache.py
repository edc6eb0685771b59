"""Smaller copies of an ImageFolder: what is resized, what is copied, and what a second start does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbones.data.decoding import decode_pixels
from backbones.errors import UserError
from transfer.prepare import resize_cache
from transfer.prepare.check import check_folder
from transfer.prepare.resize_cache import RECORD, make_resize_cache

SIZES = {"large.jpg": (400, 300), "tall.JPEG": (280, 700), "small.jpg": (300, 200), "large.png": (300, 300)}


def smooth(width: int, height: int) -> Image.Image:
    """A picture that JPEG and resizing hardly change."""
    x, y = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for file, size in SIZES.items():
                smooth(*size).save(root / split / name / file)
    return root


def files(root: Path) -> dict[str, int]:
    """Names and times of writing."""
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in sorted(root.rglob("*/*/*"))}


def test_larger_images_are_resized_and_the_others_copied(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_resize_cache(source, out, 256, workers=1)
    folder = out / "train" / "dog"
    assert {path.name for path in folder.iterdir()} == {"large.jpg", "tall.JPEG", "small.jpg", "large.png.jpg"}
    for name, size in {"large.jpg": (341, 256), "tall.JPEG": (256, 640), "large.png.jpg": (256, 256)}.items():
        pixels = decode_pixels(folder / name)
        assert pixels.shape[1::-1] == size
        assert np.abs(pixels.astype(int) - np.asarray(smooth(*size))).mean() < 3
    original = source / "train" / "dog" / "small.jpg"
    assert (folder / "small.jpg").read_bytes() == original.read_bytes()
    report = check_folder(out, allow_shared_images=True)  # the classes and splits of the source are one picture
    assert not report.faults
    assert [split.images for split in report.splits] == [8, 8]


def test_a_second_start_makes_only_what_is_missing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, left = tmp_path / "out", 5

    def stop_early(path: Path) -> Image.Image:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return smooth(400, 300)

    with monkeypatch.context() as patch:
        patch.setattr(resize_cache, "decode_image", stop_early)
        with pytest.raises(KeyboardInterrupt):
            make_resize_cache(source, out, 256, workers=1)
    begun = files(out)
    assert len(begun) == 5
    assert not list(out.rglob("*.part"))
    make_resize_cache(source, out, 256, workers=1)
    assert len(files(out)) == 16
    assert begun.items() <= files(out).items()


def test_a_turned_photograph_is_written_upright(source: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth(400, 300).save(source / "train" / "cat" / "turned.jpg", exif=exif)
    make_resize_cache(source, tmp_path / "out", 256, workers=1)
    with Image.open(tmp_path / "out" / "train" / "cat" / "turned.jpg") as image:
        assert image.size == (256, 341)
        assert not image.getexif()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("size", "for another size"),
        ("source", "made of other images"),
        ("foreign", "is no resize cache"),
        ("same", "is the data set itself"),
        ("range", "--short-side 200 is not between 256 and 500"),
        ("broken", r"small\.jpg cannot be read as an image"),
    ],
)
def test_what_is_refused(source: Path, tmp_path: Path, change: str, message: str) -> None:
    out, short_side = tmp_path / "out", 256
    if change in ("size", "source"):
        make_resize_cache(source, out, 256, workers=1)
    if change == "size":
        short_side = 300
    elif change == "source":
        smooth(50, 50).save(source / "val" / "cat" / "new.jpg")
    elif change == "foreign":
        (out / "train").mkdir(parents=True)
    elif change == "same":
        out = source
    elif change == "range":
        short_side = 200
    else:
        (source / "val" / "cat" / "small.jpg").write_bytes(b"no image")
    before = files(source)
    with pytest.raises(UserError, match=message):
        make_resize_cache(source, out, short_side, workers=1)
    assert files(source) == before


def test_the_record_says_what_it_was_made_of(source: Path, tmp_path: Path) -> None:
    made = make_resize_cache(source, tmp_path / "out", 300, workers=1)
    text = (tmp_path / "out" / RECORD).read_text()
    assert made.fingerprint in text
    assert '"short_side": 300' in text
