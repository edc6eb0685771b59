"""The one door through which image files come in.

Pillow knows some fifty formats. One of them, EPS, is a program, which Pillow hands to Ghostscript; and it goes by what
a file holds, so such a file may be called ``.jpg``. Others nobody has looked at for years. Data sets need none of them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import IO

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

# Pillow knows a format by name once its module is there. A JPEG that others follow, as some cameras write, is "MPO".
FORMATS = (
    *(JpegImagePlugin.JpegImageFile.format, PngImagePlugin.PngImageFile.format),
    *(BmpImagePlugin.BmpImageFile.format, GifImagePlugin.GifImageFile.format, PpmImagePlugin.PpmImageFile.format),
    *(Jpeg2KImagePlugin.Jpeg2KImageFile.format, TiffImagePlugin.TiffImageFile.format),
    WebPImagePlugin.WebPImageFile.format,
)
MOST_PIXELS = 2 * (1024**3 // 4 // 3)  # a file of some kB may declare more; Pillow's own limit, whatever that is set to


def open_image(
    source: str | os.PathLike[str] | IO[bytes], formats: Sequence[str] = FORMATS, most_pixels: int = MOST_PIXELS
) -> Image.Image:
    """Open an image file, as ``PIL.Image.open`` does: its pixels are not decoded yet.

    Args:
        source: A path, or a stream of bytes.
        formats: Pillow's names of those that it may have.
        most_pixels: Width x height that it may have.

    Raises:
        Image.UnidentifiedImageError: It is none of ``formats``.
        Image.DecompressionBombError: It declares more pixels.
        OSError: It cannot be opened; and whatever else Pillow raises on a damaged header.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # it is an error above most_pixels, or nothing
        try:
            image = Image.open(source, formats=tuple(formats))
        except Image.UnidentifiedImageError:
            raise Image.UnidentifiedImageError(f"no image in one of the formats {', '.join(formats)}") from None
    if image.width * image.height > most_pixels:
        size = f"{image.width} x {image.height}"
        image.close()
        raise Image.DecompressionBombError(f"{size} pixels, more than {most_pixels} in all")
    return image
