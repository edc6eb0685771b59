"""Image files of every kind, and files that are none."""

from __future__ import annotations

import errno
import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lacking import no_descriptors
from PIL import Image
from pytest import MonkeyPatch, TempPathFactory, approx, mark, raises

from backbones.data.decoding import decode_image, decode_pixels, lost_chunks, what_is_wrong
from backbones.data.jpeg.plain import plain_pixels
from backbones.data.jpeg.scan import lost_scan_data
from backbones.errors import MachineError, UserError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(width: int = 24, height: int = 16) -> Image.Image:
    """Four flat quarters: red, green / blue, white."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, WHITE
    return Image.fromarray(pixels)


@mark.parametrize(
    ("mode", "suffix"),
    [("RGB", "png"), ("RGB", "jpg"), ("RGB", "webp"), ("P", "png"), ("P", "gif"), ("CMYK", "jpg"), ("RGBA", "png")],
)
def test_colours_survive_every_mode(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    corners().convert(mode).save(path)
    image = decode_image(path)
    assert image.mode == "RGB"
    for place, colour in {(3, 3): RED, (20, 3): GREEN, (3, 13): BLUE, (20, 13): WHITE}.items():
        assert image.getpixel(place) == approx(colour, abs=45)  # chroma subsampling and the CMYK round trip


@mark.parametrize("mode", ["L", "LA", "1"])
def test_gray_becomes_three_equal_channels(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "gray.png"
    Image.fromarray(np.tile(np.arange(0, 256, 8, dtype=np.uint8), (8, 1))).convert(mode).save(path)
    pixels = np.asarray(decode_image(path))
    assert pixels.shape == (8, 32, 3)
    assert (pixels == pixels[..., :1]).all()
    assert pixels[..., 0].min() == 0
    assert pixels[..., 0].max() >= 248


def test_sixteen_bits_keep_their_range(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    values = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(4, axis=0)
    Image.fromarray(values).save(path)
    pixels = np.asarray(decode_image(path))
    assert (pixels[..., 0] == values >> 8).all()
    clipped = np.asarray(Image.open(path).convert("RGB"))  # negative control: what plain conversion does
    assert (pixels != clipped).any()


# Where the red corner of the stored image belongs, by the EXIF standard: row 0 is at the ..., column 0 is at the ...
UPRIGHT = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


@mark.parametrize("orientation", UPRIGHT)
@mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_exif_orientation_is_applied_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    corners().save(path, exif=exif)
    image = decode_image(path)
    rows, columns = UPRIGHT[orientation]
    assert image.size == ((24, 16) if rows in ("top", "bottom") else (16, 24))
    x = 3 if "left" in (rows, columns) else image.width - 4
    y = 3 if "top" in (rows, columns) else image.height - 4
    assert image.getpixel((x, y)) == approx(RED, abs=45)


def test_damaged_exif_does_not_cost_the_image(tmp_path: Path) -> None:
    path = tmp_path / "damaged.jpg"
    corners().save(path, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05\x01\x12")
    assert decode_image(path).getpixel((3, 3)) == approx(RED, abs=45)


def broken(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.{'png' if kind == 'png cut short' else 'jpg'}"
    if kind == "text":
        path.write_text("not an image")
    elif kind == "empty":
        path.touch()
    elif kind == "floating point":
        Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(path, format="TIFF")
    elif kind != "missing":
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:2000])
    return path


@mark.parametrize("kind", ["text", "empty", "floating point", "jpg cut short", "png cut short", "missing"])
def test_what_is_not_an_image_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = broken(tmp_path, kind)
    with raises(UserError) as caught:
        decode_image(path)
    assert str(caught.value).count(str(path)) == 1
    assert "\n" not in str(caught.value)
    assert f"({what_is_wrong(path)})" in str(caught.value)


def encode(mode: str, image_format: str, **options: object) -> bytes:
    """A small picture with detail everywhere, as a file."""
    pixels = np.random.default_rng(0).normal(0, 20, (37, 53, 3)) + np.linspace(0, 255, 53)[None, :, None]
    stream = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode).save(stream, image_format, **options)
    return stream.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


FILES = {
    "jpeg": encode("RGB", "JPEG"),
    "progressive": encode("RGB", "JPEG", progressive=True),
    "restarts": encode("RGB", "JPEG", restart_marker_blocks=2),
    "gray jpeg": encode("L", "JPEG"),
    "cmyk": encode("CMYK", "JPEG"),
    "turned": encode("RGB", "JPEG", exif=turned(6)),
    "png": encode("RGB", "PNG"),
    "palette": encode("P", "PNG"),
    "16 bits": encode("I;16", "PNG"),
    "gif": encode("P", "GIF"),
    "webp": encode("RGB", "WEBP"),
    "tiff": encode("RGB", "TIFF"),
    "float": encode("F", "TIFF"),
    "32 bits": encode("I", "TIFF"),
    "lab": encode("LAB", "TIFF"),
}
REFUSED = {"float"}
JPEGS = ("jpeg", "progressive", "restarts", "gray jpeg", "cmyk", "turned")


def accepts(path: Path, content: bytes) -> bool:
    """Whether the file can be read; the check must say what the decoder says, and may know more of JPEG and PNG."""
    path.write_bytes(content)
    reason = what_is_wrong(path)
    if reason is None:
        decode_image(path)
        return True
    if reason in (lost_scan_data(path), lost_chunks(path)):
        decode_image(path)
        return False
    with raises(UserError) as caught:
        decode_image(path)
    assert f"({reason})" in str(caught.value)
    return False


@mark.parametrize("kind", FILES)
def test_the_check_says_what_the_decoder_says(tmp_path: Path, kind: str) -> None:
    assert accepts(tmp_path / "file", FILES[kind]) == (kind not in REFUSED)


@given(st.sampled_from(sorted(FILES)), st.floats(0, 1), st.sampled_from(["cut", "zeros", "noise"]), st.integers(0, 255))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_check_says_what_the_decoder_says_of_damaged_files(
    tmp_path: Path, kind: str, where: float, damage: str, byte: int
) -> None:
    content = FILES[kind]
    place = int(where * (len(content) - 1))
    tail = {"cut": b"", "zeros": bytes(len(content) - place), "noise": bytes([byte]) + content[place + 1 :]}[damage]
    accepts(tmp_path / "file", content[:place] + tail)


@mark.parametrize("kind", JPEGS)
@mark.parametrize("filling", ["nothing", "zeros"])
@mark.parametrize("kept", [0.96, 0.99, 0.5])
def test_a_jpeg_that_lacks_its_end_is_found(tmp_path: Path, kind: str, filling: str, kept: float) -> None:
    content = FILES[kind]
    place = min(int(kept * len(content)), len(content) - 4)
    assert not accepts(tmp_path / "file", content[:place] + bytes(len(content) - place) * (filling == "zeros"))


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path: Path) -> None:
    assert accepts(tmp_path / "file", FILES["jpeg"] + bytes(100))
    assert accepts(tmp_path / "file", FILES["jpeg"] + b"camera notes")


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def png(*more: bytes) -> bytes:
    """One of 37 x 53 pixels in the layout of a file, with chunks behind its head."""
    content = FILES["png"]
    return content[:33] + b"".join(more) + content[33:]


@given(st.integers(8, 10**6), st.integers(0, 7))
@settings(deadline=None, max_examples=60)
def test_no_flipped_bit_of_a_png_comes_through(tmp_path_factory: TempPathFactory, place: int, bit: int) -> None:
    content, path = bytearray(FILES["png"]), tmp_path_factory.mktemp("png") / "file"
    place = 8 + place % (len(content) - 8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    assert what_is_wrong(path) is not None


def test_rows_that_pillow_shows_without_a_word_are_held_to_their_checksum(tmp_path: Path) -> None:
    content, path = FILES["png"], tmp_path / "file"
    start, end = content.index(b"IDAT") - 4, content.rindex(b"IEND") - 4
    rows = bytearray(zlib.decompress(content[start + 8 : end - 4]))
    rows[100] ^= 255
    others = chunk(b"IDAT", zlib.compress(rows))
    path.write_bytes(content[:start] + others + content[end:])
    assert what_is_wrong(path) is None  # negative control: another picture
    path.write_bytes(content[:start] + others[:-4] + content[end - 4 :])
    decode_image(path)
    assert what_is_wrong(path) == "the checksum of its IDAT chunk is wrong"


def test_of_chunks_that_may_be_passed_over_those_that_change_the_picture_count(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for kind, body in ((b"noTe", b"x"), (b"eXIf", turned(6).tobytes()[6:]), (b"tRNS", bytes(6))):
        path.write_bytes(png(chunk(kind, body)))
        assert what_is_wrong(path) is None
        path.write_bytes(png()[:-12] + chunk(kind, body)[:-4] + bytes(4) + png()[-12:])  # where Pillow no more looks
        wanted = None if kind == b"noTe" else f"the checksum of its {kind.decode()} chunk is wrong"
        assert what_is_wrong(path) == wanted


# --- the short way ---

SHORT = {
    **FILES,
    "upright": encode("RGB", "JPEG", exif=turned(1)),
    "another orientation": encode("RGB", "JPEG", exif=turned(3)),
    "unsubsampled": encode("RGB", "JPEG", subsampling="4:4:4"),
    "rgb jpeg": encode("RGB", "JPEG", keep_rgb=True),
    "xmp": encode("RGB", "JPEG", xmp=b'<rdf:Description tiff:Orientation="6"/>'),
    "damaged exif": encode("RGB", "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05\x01\x12"),
}
TAKEN = {"jpeg", "progressive", "restarts", "gray jpeg", "upright", "unsubsampled", "damaged exif"}


@mark.parametrize("kind", sorted(set(SHORT) - REFUSED))
def test_both_ways_give_the_same_pixels(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(SHORT[kind])
    assert (plain_pixels(SHORT[kind]) is not None) == (kind in TAKEN)
    assert np.array_equal(decode_pixels(path), np.asarray(decode_image(path)))


@given(st.sampled_from(sorted(SHORT)), st.floats(0, 1), st.sampled_from(["cut", "zeros", "noise"]), st.integers(0, 255))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_ways_say_the_same_of_damaged_files(
    tmp_path: Path, kind: str, where: float, damage: str, byte: int
) -> None:
    content, path = SHORT[kind], tmp_path / "file"
    place = int(where * (len(content) - 1))
    tail = {"cut": b"", "zeros": bytes(len(content) - place), "noise": bytes([byte]) + content[place + 1 :]}[damage]
    path.write_bytes(content[:place] + tail)
    assert outcome(decode_pixels, path) == outcome(lambda path: np.asarray(decode_image(path)), path)


def outcome(decode: Callable[[Path], np.ndarray], path: Path) -> bytes | str:
    """The pixels, or what is said instead."""
    try:
        return decode(path).tobytes()
    except UserError as error:
        return str(error)


def test_a_picture_that_pillow_finds_too_large_goes_the_careful_way(monkeypatch: MonkeyPatch) -> None:
    assert plain_pixels(FILES["jpeg"]) is not None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 37 * 53 - 1)
    assert plain_pixels(FILES["jpeg"]) is None


@mark.realdata
def test_both_ways_give_the_same_pixels_of_real_photographs(voc2007_subset: Path) -> None:
    paths = sorted(voc2007_subset.rglob("*.jpg"))[::10]
    assert len(paths) == 80
    for path in paths:
        pixels = plain_pixels(path.read_bytes())
        assert np.array_equal(pixels, np.asarray(decode_image(path)))


@mark.parametrize("read", [decode_image, decode_pixels, what_is_wrong])
@mark.parametrize("suffix", ["jpg", "png"])
def test_an_image_is_not_blamed_for_a_lack_of_descriptors(
    tmp_path: Path, read: Callable[[Path], object], suffix: str
) -> None:
    path = tmp_path / f"image.{suffix}"
    corners().save(path)
    read(path)  # what is imported at the first time is there now
    with no_descriptors(), raises(MachineError, match=r"image\.\w+ cannot be read: Too many open files; allow more"):
        read(path)
    assert decode_pixels(path).shape == (16, 24, 3)


@mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error; check disk and permissions"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), "Permission denied; check its permissions"),
        (OSError("out of memory error when reading image file"), "Cannot allocate memory; free some"),
        (MemoryError(), "Cannot allocate memory; free some"),
    ],
    ids=str,
)
def test_an_image_is_not_blamed_for_the_machine(
    tmp_path: Path, monkeypatch: MonkeyPatch, error: Exception, said: str
) -> None:
    path = tmp_path / "image.png"
    corners().save(path)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "convert", fail)
    for read in (decode_image, what_is_wrong):
        with raises(MachineError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path} cannot be read: {said}")
