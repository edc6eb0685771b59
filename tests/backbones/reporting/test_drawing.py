"""Pictures of any names."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image
from pytest import mark

from backbones.reporting.drawing import Bar, draw_bar_panels


@mark.parametrize("name", ["$x_^{\\frac", "\u732b \U0001f600", "two\nlines", "\u202eright to left", "", "<b>"])
def test_every_name_can_be_drawn_without_a_word(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bars.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_bar_panels(path, {name: [Bar(name, 50.0, "50 %"), Bar("plain", 20.0, name)]}, 35.0)
    with Image.open(path) as image:
        assert image.size == (640, 128)
