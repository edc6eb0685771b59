"""Damage in the scan of a JPEG that every decoder passes over in silence, and oddities that are none."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image
from pytest import CaptureFixture, fixture, mark

from backbones.data.decoding import decode_image, what_is_wrong
from backbones.data.jpeg.scan import lost_scan_data

END = b"\xff\xd9"


def scene(flat: bool) -> Image.Image:
    """Grain on waves; below the first quarter white, if ``flat``."""
    y, x = np.mgrid[0:120, 0:160]
    waves = (128 + 60 * np.sin(x / 30) + 40 * np.cos(y / 17))[..., None]
    pixels = (waves + np.random.default_rng(0).normal(0, 6, (120, 160, 3))).clip(0, 255).astype(np.uint8)
    if flat:
        pixels[30:] = 255
    return Image.fromarray(pixels)


def encode(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


WHOLE = {
    "photo": encode(scene(False)),
    "own codes": encode(scene(False), optimize=True),
    "progressive": encode(scene(False), progressive=True),
    "restarts": encode(scene(False), restart_marker_rows=1),
    "gray": encode(scene(False).convert("L")),
    "gray, restarts": encode(scene(False).convert("L"), restart_marker_rows=1),
    "cmyk": encode(scene(False).convert("CMYK")),
    # White needs the shortest codes, which are zeros: here zeros alone would be no sign of damage.
    "flat": encode(scene(True)),
    "flat, own codes": encode(scene(True), optimize=True),
    "flat, restarts": encode(scene(True), restart_marker_rows=1),
}


@fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.jpg"


def middle(content: bytes) -> int:
    """Half-way through the last scan."""
    return (content.rfind(b"\xff\xda") + len(content)) // 2


def zeros_to_the_end(content: bytes) -> bytes:
    return content[: middle(content)] + bytes(len(content) - middle(content) - 2) + END


def nothing_to_the_end(content: bytes) -> bytes:
    return content[: middle(content)] + END


@mark.parametrize("damage", [zeros_to_the_end, nothing_to_the_end])
@mark.parametrize("kind", WHOLE)
def test_a_second_half_that_is_gone_is_found(kind: str, damage, path: Path) -> None:
    path.write_bytes(damage(WHOLE[kind]))
    decode_image(path)  # Pillow is content: the file has a beginning and an end
    assert str(lost_scan_data(path)).startswith("Corrupt JPEG data")
    assert what_is_wrong(path) == lost_scan_data(path)


@mark.parametrize("kind", ["photo", "own codes", "progressive", "flat"])
@mark.parametrize("filling", ["zeros", "noise"])
def test_a_hole_in_the_middle_is_found(kind: str, filling: str, path: Path) -> None:
    content = WHOLE[kind]
    size = len(content) // 8
    hole = bytes(size) if filling == "zeros" else np.random.default_rng(0).bytes(size).replace(b"\xff", b"\x00")
    start = middle(content) - size // 2
    path.write_bytes(content[:start] + hole + content[start + size :])
    assert str(lost_scan_data(path)).startswith("Corrupt JPEG data")


@mark.parametrize("kind", WHOLE)
def test_whole_images_pass(kind: str, path: Path) -> None:
    path.write_bytes(WHOLE[kind])
    assert lost_scan_data(path) is None
    assert what_is_wrong(path) is None


@mark.parametrize(
    "padding", [bytes(12), b"\x5a" * 12, b"made by a camera " * 20], ids=["few zeros", "a few bytes", "a note"]
)
def test_bytes_left_over_at_the_end_are_no_damage(padding: bytes, path: Path) -> None:
    path.write_bytes(WHOLE["photo"][:-2] + padding + END)
    assert lost_scan_data(path) is None


def test_what_no_decoder_can_find(path: Path) -> None:
    """Another picture's part between two restart marks: the limit that the documentation states."""
    content = WHOLE["gray, restarts"]
    one, two, three = (content.index(bytes([0xFF, 0xD0 + number])) for number in (0, 1, 2))
    path.write_bytes(content[: one + 2] + content[two + 2 : three] + content[two:])
    assert (np.asarray(decode_image(path)) != np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))).any()
    assert lost_scan_data(path) is None


def test_other_formats_are_not_looked_at(path: Path) -> None:
    for content in (b"", b"\xff", b"BM", b"\x89PNG\r\n\x1a\n"):
        path.write_bytes(content)
        assert lost_scan_data(path) is None
    path.write_bytes(WHOLE["photo"][:300])  # no image at all is Pillow's to say
    assert lost_scan_data(path) is None


def test_standard_error_is_given_back(path: Path, capfd: CaptureFixture[str]) -> None:
    path.write_bytes(nothing_to_the_end(WHOLE["photo"]))
    before = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else set()
    for _ in range(3):
        assert lost_scan_data(path)
    after = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else set()
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"
    assert before == after
