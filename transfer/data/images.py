"""Is an image whole, and will the training code see the same pixels as the person who annotated it?

mmdet and mmseg decode with ``cv2.imdecode(..., IMREAD_COLOR)``. Compared with Pillow's ``convert("RGB")``:

* gray, palette, 1-bit, 16-bit RGB and CMYK JPEG (Adobe or not, YCCK too) agree to within rounding: accepted;
* an EXIF orientation of 2 to 8 is applied by OpenCV to JPEG and PNG but not to WebP, and never to a label map or to a
  box: annotations would silently stop fitting, so such files are refused;
* 16-bit gray keeps its high byte in OpenCV and is clipped by Pillow, and 12-bit data comes out black: refused;
* transparency is dropped by both, which uncovers colours nobody was meant to see: refused unless fully opaque;
* TIFF has colour spaces and orientations that the two treat differently: accepted where both give the same pixels, and
  there is one image in it;
* other containers (GIF, JPEG 2000, ...) are refused.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backbones.data.decoding import load_entirely
from backbones.data.folders.verification import refuse_irregular
from backbones.errors import UserError
from backbones.image_files import open_image
from backbones.machine.lacks import blame_machine

_CONTAINERS = (
    "JPEG",
    "MPO",
    "PNG",
    "BMP",
    "WEBP",
    "TIFF",
)  # MPO: a JPEG followed by more JPEGs, as some cameras write
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK")
_ORIENTATION_TAG = 0x0112


def verify_image(path: Path) -> tuple[int, int]:
    """Return (width, height) of a file that decodes entirely and to the right pixels.

    The size is that of the stored raster, which is the frame the annotation is in, because files with an orientation
    tag are refused. Every file is decoded, by Pillow and by OpenCV; which damage shows then is said in
    ``backbones.data.jpeg.scan`` for JPEG, and in ``backbones.data.decoding`` for PNG.
    Raises ``UserError`` naming the file for anything missing, empty, truncated, undecodable or ambiguous, and
    ``MachineError`` where the machine keeps it from being read.
    """
    try:
        refuse_irregular(path, path.stat().st_mode)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata and very large images are no concern of training
            with open_image(path) as image:
                _refuse_ambiguous(image, path)
                size = image.size
                load_entirely(image, path)
                exact = np.asarray(image.convert("RGB")) if image.format == "TIFF" else None
        _require_opencv(path, size, exact)
        return size
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged bytes
        blame_machine(error, f"{path} cannot be read")
        raise UserError(f"{path} {_what_is_wrong(path, error)}; restore it or remove it from the data set") from None


def _require_opencv(path: Path, size: tuple[int, int], exact: NDArray | None) -> None:
    """The decoder of the training reads it, too; where it gives up, mmdet and mmseg are left with nothing.

    ``exact`` are pixels (height, width, 3) that it must give, where the two may differ.
    """
    try:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        blame_machine(error, f"{path} cannot be read by OpenCV")
        reason = " ".join(str(error).split())
    else:
        if pixels is not None and pixels.shape[1::-1] == size:
            if exact is None or np.array_equal(pixels[..., ::-1], exact):
                return
            raise UserError(f"{path} is a TIFF file that training would see in other colours; save it as JPEG or PNG")
        reason = "it gives nothing" if pixels is None else f"it gives {pixels.shape[1]} x {pixels.shape[0]} pixels"
    raise UserError(
        f"{path} cannot be decoded by OpenCV, which reads it in training ({reason}), though Pillow reads it as "
        f"{size[0]} x {size[1]}; save it anew as JPEG or PNG"
    )


def _what_is_wrong(path: Path, error: Exception) -> str:
    if path.is_file() and path.stat().st_size == 0:
        return "is empty (zero bytes)"
    if isinstance(error, Image.UnidentifiedImageError):
        return "is not an image (no known image format)"
    return f"is truncated or damaged ({error})"


def _refuse_ambiguous(image: Image.Image, path: Path) -> None:
    if image.format not in _CONTAINERS:
        raise UserError(
            f"{path} is a {image.format} file, which may decode differently in training; save it as JPEG or PNG"
        )
    if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
        raise UserError(f"{path} is a TIFF file with {image.n_frames} images in it; save one as JPEG or PNG")  # type: ignore[attr-defined]  # there, as just seen
    if image.mode not in _MODES:
        raise UserError(
            f"{path} has pixel type {image.mode} (16 bits or more per pixel in one channel), whose brightness scale is "
            "not known; scale it to 8 bits and save it again"
        )
    orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    if orientation in range(2, 9):
        raise UserError(
            f"{path} has EXIF orientation {orientation}: viewers turn the picture, annotations may be made for "
            "either way up. If yours fit the upright picture, rewrite the pixels ('mogrify -auto-orient FILE'); if "
            "they fit the pixels as stored, remove the tag ('exiftool -Orientation= FILE')"
        )
    opacity = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if opacity is not None and opacity.getextrema()[0] < 255:  # type: ignore[operator]  # one channel has one pair of them
        raise UserError(
            f"{path} has transparent pixels, and training would see the colours hidden beneath them; flatten it onto "
            "a background and save it without an alpha channel"
        )
