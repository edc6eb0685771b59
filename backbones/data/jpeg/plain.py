"""The JPEG files that nearly all are: YCbCr or gray, and upright.

simplejpeg is libjpeg-turbo as Pillow has it, with the same pixels to the last bit, without Pillow's way from the
decoder's lines to an image (measured in ``docs/performance.md``). Whatever is out of the ordinary (another colour
space, an orientation, damage, a size that Pillow refuses) is left to ``backbones.data.decoding``.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import simplejpeg
from PIL import ExifTags, Image

from backbones.image_files import open_image

_START_OF_JPEG, _MARK, _APP1, _START_OF_SCAN = b"\xff\xd8\xff", 0xFF, 0xE1, 0xDA
_PLAIN_SPACES = ("YCbCr", "Gray")


def plain_pixels(content: bytes) -> np.ndarray | None:
    """RGB pixels (height, width, 3) of a file; None if it is not such a JPEG, or libjpeg complains about it."""
    if not content.startswith(_START_OF_JPEG) or content.endswith(b"\0\0"):  # perhaps cut short: see lacks_its_end
        return None
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(content)
        if space not in _PLAIN_SPACES or _is_too_large(width * height) or not _is_upright(content):
            return None
        return simplejpeg.decode_jpeg(content)
    except ValueError:
        return None


def _is_too_large(pixels: int) -> bool:
    """For Pillow, which warns of such images or refuses them."""
    return Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS


def _is_upright(content: bytes) -> bool:
    """Pillow is asked where there is a segment that could say otherwise: EXIF, or XMP."""
    if not _has_app1(content):
        return True
    try:
        with warnings.catch_warnings(), open_image(io.BytesIO(content), ["JPEG"]) as image:
            warnings.simplefilter("ignore")  # the pixels of files with odd EXIF are fine
            return image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    except Exception:  # of many types; the careful way tells which
        return False


def _has_app1(content: bytes) -> bool:
    """Whether a segment before the scan is an APP1, or the segments cannot be followed."""
    place = 2
    while place + 4 <= len(content) and content[place] == _MARK:
        mark = content[place + 1]
        if mark in (_APP1, _START_OF_SCAN):
            return mark == _APP1
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return True
