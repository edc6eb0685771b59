from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from pathlib import Path

import mmcv
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from backbones.errors import MachineError, UserError
from transfer.data import images
from transfer.data.images import verify_image

WIDTH, HEIGHT = 48, 32


def picture() -> Image.Image:
    """A smooth colour picture, so that JPEG keeps it nearly unchanged."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return Image.fromarray(np.stack([x * 5, y * 7, (x + y) * 3], axis=2).astype(np.uint8))


def encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def raw_png(bit_depth: int, color_type: int, rows: bytes) -> bytes:
    """A PNG of 4 x 1 pixels, for the pixel types Pillow does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 4, 1, bit_depth, color_type, 0, 0, 0)
    pixels = zlib.compress(b"\0" + rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def cmyk(transform: int | None) -> bytes:
    """A CMYK JPEG whose Adobe marker says ``transform`` (2 = YCCK), or has no such marker."""
    content = encode(picture().convert("CMYK"), "JPEG", quality=95)
    marker = content.index(b"Adobe")
    if transform is None:
        return content[: marker - 4] + content[marker - 2 + int.from_bytes(content[marker - 2 : marker], "big") :]
    return content[: marker + 11] + bytes([transform]) + content[marker + 12 :]


def alpha(lowest: int) -> Image.Image:
    image = picture().convert("RGBA")
    image.putalpha(Image.fromarray(np.linspace(lowest, 255, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint8)))
    return image


ACCEPTED = {
    "rgb.jpg": encode(picture(), "JPEG"),
    "progressive.jpg": encode(picture(), "JPEG", progressive=True),
    "gray.jpg": encode(picture().convert("L"), "JPEG"),
    "cmyk.jpg": cmyk(0),
    "ycck.jpg": cmyk(2),
    "cmyk-no-adobe.jpg": cmyk(None),
    "upright.jpg": encode(picture(), "JPEG", exif=orientation(1)),
    "unknown-orientation.jpg": encode(picture(), "JPEG", exif=orientation(9)),
    "rgb.png": encode(picture(), "PNG"),
    "gray.png": encode(picture().convert("L"), "PNG"),
    "palette.png": encode(picture().convert("P"), "PNG"),
    "two-tone.png": encode(picture().convert("1"), "PNG"),
    "gray-4bit.png": raw_png(4, 0, b"\x0f\x35"),
    "rgb-16bit.png": raw_png(16, 2, bytes(range(24))),
    "opaque-16bit.png": raw_png(16, 4, b"\x80\x01\xff\xff" * 4),
    "opaque.png": encode(alpha(255), "PNG"),
    "rgb.webp": encode(picture(), "WEBP", lossless=True),
    "rgb.bmp": encode(picture(), "BMP"),
    "rgb.tiff": encode(picture(), "TIFF"),
    "cmyk.tiff": encode(picture().convert("CMYK"), "TIFF"),
    "packed.tiff": encode(picture(), "TIFF", compression="tiff_lzw"),
    "gray.tiff": encode(picture().convert("L"), "TIFF"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_images_decode_in_training_as_in_pillow(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(ACCEPTED[name])
    decoded = mmcv.imfrombytes(ACCEPTED[name], flag="color", backend="cv2")[..., ::-1].astype(int)
    with Image.open(path) as image:
        reference = np.asarray(image.convert("RGB")).astype(int)
    assert decoded.shape == reference.shape
    assert np.abs(decoded - reference).max() <= 2
    assert verify_image(path) == (reference.shape[1], reference.shape[0])


REFUSED = {
    "tag2.jpg": (encode(picture(), "JPEG", exif=orientation(2)), "EXIF orientation 2"),
    "tag6.jpg": (encode(picture(), "JPEG", exif=orientation(6)), "EXIF orientation 6.*exiftool"),
    "tag8.png": (encode(picture(), "PNG", exif=orientation(8)), "EXIF orientation 8"),
    "tag3.webp": (encode(picture(), "WEBP", exif=orientation(3)), "EXIF orientation 3"),
    "16bit.png": (encode(Image.fromarray(np.full((4, 4), 4095, np.uint16)), "PNG"), "scale it to 8 bits"),
    "see-through.png": (encode(alpha(0), "PNG"), "transparent pixels.*flatten"),
    "color-key.png": (encode(picture().convert("P"), "PNG", transparency=0), "transparent pixels"),
    "pages.tiff": (
        encode(picture(), "TIFF", save_all=True, append_images=[picture()]),
        "TIFF file with 2 images.*JPEG or PNG",
    ),
    "turned.tiff": (encode(picture(), "TIFF", tiffinfo={0x0112: 6}), "EXIF orientation 6"),
    "moving.gif": (encode(picture(), "GIF"), "GIF file"),
    "empty.jpg": (b"", r"empty \(zero bytes\)"),
    "text.jpg": (b"not an image at all", "not an image"),
    "page.jpg": (b"<html>404</html>", "not an image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_training_would_see_wrongly_is_refused(name: str, tmp_path: Path) -> None:
    content, message = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        verify_image(path)
    assert str(path) in str(caught.value)


def test_a_tiff_that_opencv_sees_in_other_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "other.tiff"
    path.write_bytes(encode(picture(), "TIFF"))
    verify_image(path)
    there = images.cv2.imdecode
    monkeypatch.setattr(images.cv2, "imdecode", lambda *arguments: 255 - there(*arguments))
    with pytest.raises(UserError, match="is a TIFF file that training would see in other colours; save it as JPEG"):
        verify_image(path)


@pytest.mark.parametrize("tag", [3, 6])
def test_the_reason_for_refusing_orientation_tags(tag: int) -> None:
    """Training turns the pixels, annotations stay: if OpenCV ever stops doing so, the refusal can go."""
    content = encode(picture(), "JPEG", exif=orientation(tag))
    turned = mmcv.imfrombytes(content, flag="color", backend="cv2")
    stored = mmcv.imfrombytes(content, flag="color_ignore_orientation", backend="cv2")
    assert turned.shape != stored.shape or not np.array_equal(turned, stored)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        verify_image(tmp_path / "none.jpg")
    with pytest.raises(UserError, match="is a folder"):
        verify_image(tmp_path)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@settings(deadline=None, max_examples=40)
@given(share=st.floats(0.02, 0.97))
def test_cut_files_are_refused(image_format: str, tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    content = encode(NOISE, image_format)
    path = tmp_path_factory.mktemp("cut") / "image"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match="image"):
        verify_image(path)


def test_zero_filled_tail_is_refused_although_pillow_decodes_it(tmp_path: Path) -> None:
    content = encode(NOISE, "JPEG")
    path = tmp_path / "sparse.jpg"
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    with Image.open(path) as image:
        image.load()
    with pytest.raises(UserError, match="zeros where the rest of the image should be"):
        verify_image(path)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_a_damaged_middle_is_found_although_beginning_and_end_are_there(
    options: dict[str, object], tmp_path: Path
) -> None:
    content = encode(NOISE, "JPEG", **options)
    path = tmp_path / "middle.jpg"
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) // 2 - 2) + content[-2:])
    with Image.open(path) as image:
        image.load()
    with pytest.raises(UserError, match=r"middle\.jpg is truncated or damaged \(Corrupt JPEG data: "):
        verify_image(path)


def test_a_png_is_held_to_its_checksums(tmp_path: Path) -> None:
    content = bytearray(encode(NOISE, "PNG"))
    content[len(content) // 2] ^= 1
    path = tmp_path / "middle.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"middle\.png is truncated or damaged"):
        verify_image(path)


@pytest.mark.parametrize("tail", [b"\0" * 64, b"camera notes"])
def test_bytes_after_the_end_of_a_whole_image_are_accepted(tail: bytes, tmp_path: Path) -> None:
    path = tmp_path / "padded.jpg"
    path.write_bytes(encode(NOISE, "JPEG") + tail)
    assert verify_image(path) == NOISE.size


@settings(deadline=None, max_examples=40)
@given(lost=st.integers(1, 40))
def test_a_png_without_its_end_is_refused_although_pillow_reads_it(
    tmp_path_factory: pytest.TempPathFactory, lost: int
) -> None:
    """OpenCV gives nothing for it, which the training would notice after hours."""
    content = encode(NOISE, "PNG")[:-lost]
    path = tmp_path_factory.mktemp("cut") / "image.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"image\.png is truncated or damaged"):
        verify_image(path)
    if lost <= 16:
        with Image.open(path) as image:
            image.load()


def test_chunks_that_a_decoder_may_pass_over_need_no_checksum(tmp_path: Path) -> None:
    content = encode(NOISE, "PNG")
    path = tmp_path / "odd.png"
    path.write_bytes(content[:-12] + b"\0\0\0\1noTe." + b"\0\0\0\0" + content[-12:])
    assert mmcv.imfrombytes(path.read_bytes(), flag="color", backend="cv2") is not None
    assert verify_image(path) == NOISE.size


def test_what_opencv_cannot_decode_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "whole.jpg"
    path.write_bytes(encode(NOISE, "JPEG"))
    for given_back, words in ((None, "it gives nothing"), (np.zeros((9, 7, 3), np.uint8), "it gives 7 x 9 pixels")):
        with monkeypatch.context() as patch:
            patch.setattr(images.cv2, "imdecode", lambda *_, pixels=given_back: pixels)
            with pytest.raises(UserError, match=rf"whole\.jpg cannot be decoded by OpenCV.*\({words}\)"):
                verify_image(path)
    assert verify_image(path) == NOISE.size


@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder"])
def test_what_is_no_ordinary_file_is_not_opened(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(UserError, match=rf"x\.jpg is {kind}, not a file that can be read"):
        verify_image(path)


def test_the_system_s_faults_are_not_the_image_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "whole.jpg"
    path.write_bytes(encode(NOISE, "JPEG"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(images.Image, "open", refuse)
    with pytest.raises(MachineError, match=r"whole\.jpg cannot be read: Too many open files; allow more"):
        verify_image(path)


def test_opencv_s_lack_of_memory_is_not_the_image_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(encode(picture(), "JPEG"))

    def full(*_: object) -> None:
        raise images.cv2.error(
            "OpenCV(4.10.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 12 bytes"
        )

    monkeypatch.setattr(images.cv2, "imdecode", full)
    with pytest.raises(MachineError, match=r"image\.jpg cannot be read by OpenCV: Cannot allocate memory; free some"):
        verify_image(path)
