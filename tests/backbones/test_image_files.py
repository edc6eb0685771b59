"""Image files come in through one function, which knows the formats of data sets and no others."""

from __future__ import annotations

import ast
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, features
from pytest import MonkeyPatch, fixture, mark, raises, skip

from backbones.data.decoding import decode_image, decode_pixels, what_is_wrong
from backbones.data.jpeg.plain import plain_pixels
from backbones.errors import UserError
from backbones.image_files import FORMATS, MOST_PIXELS, open_image

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"
NEEDS = {"JPEG2000": "jpg_2000", "WEBP": "webp", "TIFF": "libtiff"}


@fixture
def ghostscript(tmp_path: Path, monkeypatch: MonkeyPatch) -> Path:
    """A file that is there once Ghostscript was called, which only says so here."""
    called, program = tmp_path / "called", tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n: > '{called}'\necho 10.0\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # Pillow remembers what it has found
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_windows_binary", None, raising=False)
    return called


def test_a_program_that_is_called_an_image_is_not_run(ghostscript: Path, tmp_path: Path) -> None:
    path = tmp_path / "photograph.jpg"
    path.write_bytes(PROGRAM)
    for read in (decode_image, decode_pixels):
        with raises(
            UserError, match=r"photograph\.jpg cannot be read as an image \(no image in one of the formats JPEG"
        ):
            read(path)
    assert "no image in one of the formats" in str(what_is_wrong(path))
    assert plain_pixels(PROGRAM) is None
    assert not ghostscript.exists()
    with suppress(OSError), Image.open(path) as image:  # negative control: what Pillow does when it is not told
        image.load()
    assert ghostscript.exists()


@mark.parametrize("name", FORMATS)
def test_the_formats_of_data_sets_are_read(name: str, tmp_path: Path) -> None:
    if name in NEEDS and not features.check(NEEDS[name]):
        skip(f"this Pillow has no {NEEDS[name]}")
    pixels = np.full((6, 8, 3), 90, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image", name)
    with open_image(tmp_path / "image") as image:
        assert (image.format, image.size) == (name, (8, 6))
    assert np.abs(np.asarray(decode_image(tmp_path / "image")).astype(int) - 90).max() <= 2
    with raises(Image.UnidentifiedImageError, match=r"no image in one of the formats (PNG|BMP)"):
        open_image(io.BytesIO((tmp_path / "image").read_bytes()), ["BMP" if name == "PNG" else "PNG"])


def test_a_jpeg_that_more_follow_is_read(tmp_path: Path) -> None:
    one, other = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (8, 6), "blue")
    one.save(tmp_path / "camera.jpg", "MPO", save_all=True, append_images=[other])
    with open_image(tmp_path / "camera.jpg") as image:
        assert image.format == "MPO"
    assert decode_image(tmp_path / "camera.jpg").size == (8, 6)


def test_other_formats_of_pillow_are_none(tmp_path: Path) -> None:
    for name in ("ICO", "SGI", "PCX", "TGA", "PDF"):
        Image.new("RGB", (16, 16)).save(tmp_path / "image", name)
        with raises(Image.UnidentifiedImageError):
            open_image(tmp_path / "image")


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@mark.parametrize("limit", [None, 10])
def test_pixels_are_counted_before_they_are_made(limit: int | None, monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        Image, "MAX_IMAGE_PIXELS", limit
    )  # a library may have switched Pillow's limit off, or lowered it
    path = tmp_path / "large.png"
    path.write_bytes(png_header(60_000, 60_000))
    with raises(UserError, match=r"large\.png cannot be read as an image \(.*(3600000000|60000 x 60000) pixels"):
        decode_image(path)
    with raises(Image.DecompressionBombError):
        open_image(io.BytesIO(png_header(2, MOST_PIXELS // 2 + 1)))
    with raises(Image.DecompressionBombError, match="4 x 5 pixels, more than 19 in all"):
        open_image(io.BytesIO(png_header(4, 5)), most_pixels=19)
    with open_image(io.BytesIO(png_header(4, 5)), most_pixels=20) as image:
        assert image.size == (4, 5)


def calls_of_pillow(tree: ast.AST, reads: Callable[[ast.expr], bool]) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call) and reads(node.func))


def opens(function: ast.expr) -> bool:
    """Whether an expression means ``PIL.Image.open``, which the project imports as a module and never by name."""
    return (
        isinstance(function, ast.Attribute) and function.attr == "open" and ast.unparse(function).endswith("Image.open")
    )


def without_formats(source: str) -> list[int]:
    """Lines of Python that open an image in whatever format it has."""
    tree = ast.parse(source)
    named = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "PIL.Image" and any(a.name == "open" for a in node.names)
    ]
    calls = calls_of_pillow(tree, opens)
    return named + [call.lineno for call in calls if not any(word.arg == "formats" for word in call.keywords)]


def test_nobody_opens_images_in_whatever_format() -> None:
    rooms = ("backbones", "transfer", "studies", "tools", "benchmarks", "det_configs", "seg_configs")
    files = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 200
    assert {str(path): lines for path in files if (lines := without_formats(path.read_text()))} == {}
    program = [path for room in rooms[:4] for path in (ROOT / room).rglob("*.py")]
    opening = [path.name for path in program if any(calls_of_pillow(ast.parse(path.read_text()), opens))]
    assert opening == ["image_files.py"]


@mark.parametrize(
    ("source", "lines"),
    [
        ("Image.open(x)", [1]),
        ("PIL.Image.open(x).load()", [1]),
        ("from PIL.Image import open", [1]),
        ("Image.open(x, formats=('PNG',))", []),
        ("RunFolder.open(x)", []),
        ("open(x)", []),
    ],
)
def test_the_search_finds_what_it_should(source: str, lines: list[int]) -> None:
    assert without_formats(source) == lines
