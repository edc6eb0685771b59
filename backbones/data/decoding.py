"""From an image file to upright 8-bit RGB."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Callable

import numpy as np
from PIL import ExifTags, Image

from backbones.data.jpeg.plain import plain_pixels
from backbones.data.jpeg.scan import lost_scan_data
from backbones.data.source import Member, Source, open_bytes, source_name
from backbones.errors import UserError
from backbones.image_files import open_image
from backbones.machine.lacks import blame_machine
from backbones.reporting.printable import printable

_JPEG_FORMATS = ("JPEG", "MPO")  # MPO: a JPEG followed by more JPEGs, as some cameras write
_START_OF_SCAN, _END_OF_JPEG = b"\xff\xda", b"\xff\xd9"
_PNG_SIGNATURE = 8  # bytes
_PNG_FRAME = 12  # bytes of a chunk besides its data: length, kind, checksum
_PNG_OPTIONS = (b"eXIf", b"tRNS")  # the way up, and what can be seen through
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_pixels(path: Source) -> np.ndarray:
    """Read an image, in a file or an archive, as upright RGB pixels (height, width, 3).

    Ordinary JPEG files take a short way, and all others ``decode_image``; both ways give the same pixels.

    Raises:
        UserError: The file cannot be read as an image; see ``decode_image``.
    """
    try:
        with open_bytes(path) as stream:
            content = stream.read()
    except (OSError, ValueError):
        content = b""  # which is no image, and has the careful way tell why
    pixels = plain_pixels(content)
    return np.asarray(decode_image(path)) if pixels is None else pixels


def decode_image(path: Source) -> Image.Image:
    """Read an image file as RGB, turned upright by its EXIF orientation.

    Gray, palette and CMYK images are converted; an alpha channel is dropped; 16-bit gray keeps its 8 high bits.

    Raises:
        UserError: The file cannot be read as an image: missing, truncated, not an image, or of a kind without a
            defined conversion (floating point). The message names it.
        MachineError: The machine keeps it from being read: too little memory, a failing disk, a permission.
    """
    try:
        return _decode(path, _load)
    except Exception as error:  # Pillow's decoders raise many types: OSError, ValueError, SyntaxError, struct.error
        name = source_name(path)
        blame_machine(error, f"{name} cannot be read")
        raise UserError(f"{name} cannot be read as an image ({_reason(error)}); replace or remove it") from None


def what_is_wrong(path: Source) -> str | None:
    """Why a data set should do without a file, or None: ``decode_image`` would refuse it, or make up part of it.

    Raises:
        MachineError: The machine keeps it from being read.
    """
    try:
        _decode(path, load_entirely)
    except Exception as error:
        blame_machine(error, f"{source_name(path)} cannot be read")
        return _reason(error)
    return None


def lacks_its_end(path: Source) -> bool:
    """Whether a JPEG file ends in zeros before the image is complete.

    Such files remain after a crash, or a download into space that was reserved. Zeros are valid scan data (a gray
    area), so they decode without complaint.
    """
    with open_bytes(path) as stream:
        stream.seek(-2, os.SEEK_END)
        if stream.read() != b"\0\0":
            return False
        stream.seek(0)
        content = stream.read()
    return content.find(_END_OF_JPEG, content.rfind(_START_OF_SCAN)) < 0


def load_entirely(image: Image.Image, path: Source) -> None:
    """Decode an image that was opened from ``path``, and see that all of its data made sense.

    Of a PNG, the checksums of all chunks must hold that a decoder uses; of a JPEG, libjpeg is asked.

    Of a JPEG only the mean of each block of 8 x 8 pixels is computed, which becomes the image: every byte is still read
    and entropy-decoded, in about 70 % of the time.

    Raises:
        Exception: Whatever Pillow raises on damaged bytes; ``ValueError`` for what it passes over.
    """
    image.draft(image.mode, (1, 1))  # formats other than JPEG ignore it
    _load(image, path)
    if image.format in _JPEG_FORMATS and (complaint := lost_scan_data(path)):
        raise ValueError(complaint)
    if image.format == "PNG" and (complaint := lost_chunks(path)):
        raise ValueError(complaint)


def lost_chunks(path: Source) -> str | None:
    """What keeps a PNG file from being whole, or None: a chunk that is cut or has another checksum, or no last one.

    Pillow stops where the last row is complete and compares no checksum of the rows, and libpng, which OpenCV has,
    wants the end. Chunks that a decoder may pass over (their kind begins in lower case) need not have the right
    checksum, but for those that change what comes out.
    """
    with open_bytes(path) as stream:
        content = memoryview(stream.read())
    start = _PNG_SIGNATURE
    while start + _PNG_FRAME <= len(content):
        kind = bytes(content[start + 4 : start + 8])
        end = start + _PNG_FRAME + int.from_bytes(content[start : start + 4], "big")
        checksum = int.from_bytes(content[end - 4 : end], "big")
        counts = kind[:1].isupper() or kind in _PNG_OPTIONS
        if end <= len(content) and counts and zlib.crc32(content[start + 4 : end - 4]) != checksum:
            return f"the checksum of its {printable(kind.decode('ascii', 'replace'))} chunk is wrong"
        if end <= len(content) and kind == b"IEND":
            return None
        start = end
    return "its end is missing"


def _load(image: Image.Image, path: Source) -> None:
    image.load()
    if image.format in _JPEG_FORMATS and lacks_its_end(path):
        raise ValueError("truncated: zeros where the rest of the image should be")


def _decode(path: Source, load: Callable[[Image.Image, Source], None]) -> Image.Image:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*EXIF")  # pixels are fine; ImageNet has such files
        with open_image(open_bytes(path) if isinstance(path, Member) else path) as image:
            load(image, path)
            return _to_rgb(_turn_upright(image))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _turn_upright(image: Image.Image) -> Image.Image:
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # Pillow's own conversion would clip 16-bit values at 255
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("more than 16 bits per pixel")
        image = Image.fromarray((values >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("floating-point pixels have no defined range")
    # A copy also when nothing changes: the caller closes the file.
    return image.convert("RGB")
