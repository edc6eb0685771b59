"""Images made up for the tests of the classification half."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes an ImageFolder tree of coloured noise, one basic colour per class, and returns its root."""

    def make(name: str = "data", classes: int = 3, train: int = 4, val: int = 2, size: int = 40) -> Path:
        random = np.random.default_rng(0)
        for split, count in (("train", train), ("val", val)):
            for label in range(classes):
                folder = tmp_path / name / split / f"class{label}"
                folder.mkdir(parents=True)
                for number in range(count):
                    pixels = random.integers(0, 120, (size, size + number, 3), dtype=np.uint8)
                    pixels[..., label % 3] += 100
                    Image.fromarray(pixels).save(folder / f"{number}.png")
        return tmp_path / name

    return make
