"""Decoding at half and quarter size where the crop is made smaller by at least that much, against decoding whole
pictures: what it gains, and how far the picture that training sees is then from the right one. The error is in levels
of 255, after both were resized to the same 112 x 112 pixels; the program does without.
"""

from __future__ import annotations

import numpy as np
import simplejpeg
from PIL import Image

from benchmarks.harness.findings import Findings, compare
from benchmarks.harness.interleaved import take_turns
from benchmarks.harness.settings import Settings
from benchmarks.subjects.photographs import HEIGHT, WIDTH, photographs, source

TITLE = "Scaled decoding"
QUICK = True
SIDE = 112  # whole pictures are made 3.3 times smaller


def measure(settings: Settings) -> Findings:
    """Images per second of one thread for decoding alone, and mean errors."""
    files = [path.read_bytes() for path in photographs(settings, settings.amount(200, 40))]

    def decode_all(factor: int) -> None:
        for content in files:
            _decode(content, factor)

    contenders = {name: lambda factor=factor: decode_all(factor) for name, factor in SIZES.items()}
    seconds = take_turns(contenders, settings.rounds)
    figures = {
        name: {"mean error": float(np.mean([_error(content, factor) for content in files[:40]]))}
        for name, factor in SIZES.items()
        if factor > 1
    }
    rates = compare(f"decoding ({source(settings)})", "images/s", len(files), seconds)
    return Findings((rates,), figures)


SIZES = {"whole": 1, "half": 2, "quarter": 4}


def _decode(content: bytes, factor: int) -> np.ndarray:
    least = -(-min(HEIGHT, WIDTH) // factor)
    return simplejpeg.decode_jpeg(content, min_height=least, min_width=least, min_factor=factor)


def _error(content: bytes, factor: int) -> float:
    views = []
    for each in (1, factor):
        image = Image.fromarray(_decode(content, each))
        views.append(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=float))
    return float(np.abs(views[1] - views[0]).mean())
