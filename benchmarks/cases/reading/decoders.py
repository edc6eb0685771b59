"""Whole pictures of 500 x 375 pixels from JPEG bytes to RGB in memory, by the maintained libraries that PyPI has as
wheels for Python 3.10 to 3.12 (imagecodecs: from 3.11 on); those that are not installed are left out. simplejpeg gives
Pillow's pixels to the last bit, except with its fast DCT and upsampling. Pillow's images are its own, and not yet an
array.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib.util import find_spec

import cv2
import numpy as np
import simplejpeg
import torch
from PIL import Image
from torchvision.io import decode_jpeg

from benchmarks.harness.findings import Findings, compare
from benchmarks.harness.interleaved import take_turns
from benchmarks.harness.settings import Settings
from benchmarks.subjects.photographs import photographs, source

TITLE = "JPEG decoders"
QUICK = True
Decoder = Callable[[bytes], object]


def measure(settings: Settings) -> Findings:
    """Images per second of one thread."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    files = [path.read_bytes() for path in photographs(settings, settings.amount(200, 40))]
    contenders = {name: _over(files, decoder) for name, decoder in _decoders().items()}
    seconds = take_turns(contenders, settings.rounds)
    return Findings((compare(f"decoder ({source(settings)})", "images/s", len(files), seconds),))


def _decoders() -> dict[str, Decoder]:
    decoders: dict[str, Decoder] = {
        "Pillow": lambda content: Image.open(io.BytesIO(content), formats=("JPEG",)).load(),
        "torchvision": lambda content: decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8)),
        "OpenCV": lambda content: cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB),
        "simplejpeg": simplejpeg.decode_jpeg,
        "simplejpeg, fast DCT": lambda content: simplejpeg.decode_jpeg(content, fastdct=True),
        "simplejpeg, fast DCT and upsampling": lambda content: simplejpeg.decode_jpeg(
            content, fastdct=True, fastupsample=True
        ),
    }
    if find_spec("imagecodecs"):
        import imagecodecs

        decoders["imagecodecs"] = imagecodecs.jpeg8_decode
    if find_spec("kornia_rs"):
        import kornia_rs

        decoders["kornia-rs"] = kornia_rs.io.decode_image_jpeg
    return decoders


def _over(files: list[bytes], decoder: Decoder) -> Callable[[], None]:
    def decode_all() -> None:
        for content in files:
            decoder(content)

    return decode_all
