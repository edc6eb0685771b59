"""What the pixels of a mask mean: values, colours, or the outlines that labelme draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from backbones.data.decoding import load_entirely
from backbones.errors import UserError
from backbones.image_files import open_image
from transfer.data.label_map import refuse_wrong_format
from transfer.data.scenes.formats.labelme import outline, read_document

VOID = 255  # names no class
VALUES, COLOURS, OUTLINES = "values", "colours", "outlines"
_LOSSY = ("JPEG", "MPO", "WEBP", "JPEG2000")
_MOST_SHOWN = 5

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class MaskCoding:
    """How a mask names classes.

    Attributes:
        kind: ``VALUES``: one channel, a value for each class; ``COLOURS``: a colour for each; ``OUTLINES``: labelme's
            JSON, whose shapes are drawn one over the other.
        labels: Label, counted from 0, or ``VOID`` by value, colour or name. What is not in it is a fault.
        background: Label of what no outline holds.
    """

    kind: str
    labels: Mapping[int | Colour | str, int] = field(default_factory=dict)
    background: int = VOID


def read_mask(path: Path, coding: MaskCoding, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """The labels (height, width) of a mask.

    Args:
        path: The mask.
        coding: What its pixels mean.
        size: (width, height) of its image in pixels; needed where outlines are drawn.

    Raises:
        UserError: It cannot be read, or holds what means nothing; the message names file and remedy.
    """
    if coding.kind == OUTLINES:
        return _drawn(path, coding, size)
    try:
        with open_image(path) as image:
            if coding.kind == VALUES:
                refuse_wrong_format(image, path)
                load_entirely(image, path)
                return _by_value(np.asarray(image), path, coding.labels)
            if image.format in _LOSSY:
                raise UserError(f"{path} is a {image.format} file, whose colours are not exact; save masks as PNG")
            load_entirely(image, path)
            return _by_colour(np.asarray(image.convert("RGB")), path, coding.labels)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; add it, or remove its image") from None
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged bytes
        raise UserError(f"{path} is not a readable image ({error}); restore it") from None


def _by_value(pixels: NDArray, path: Path, labels: Mapping[int | Colour | str, int]) -> NDArray[np.uint8]:
    table = np.array([labels.get(value, VOID) for value in range(256)], np.uint8)
    counts = np.bincount(pixels.ravel(), minlength=256)
    wrong = [value for value in np.flatnonzero(counts).tolist() if value not in labels]
    if wrong:
        known = sorted(value for value, label in labels.items() if label != VOID)
        raise UserError(
            f"{path} has the value {wrong[0]} ({counts[wrong[0]]} pixels){_others(wrong)}; classes have the values "
            f"{known[0]} to {known[-1]}. If {wrong[0]} is void, no class of its own, write {VOID} for it; else add its "
            "class to classes.txt"
        )
    return table[pixels]


def _by_colour(pixels: NDArray, path: Path, labels: Mapping[int | Colour | str, int]) -> NDArray[np.uint8]:
    codes = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    found, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    colours = [(code >> 16, code >> 8 & 255, code & 255) for code in found.tolist()]
    wrong = [colour for colour in colours if colour not in labels]
    if wrong:
        first = " ".join(map(str, wrong[0]))
        raise UserError(
            f"{path} has the colour {first} ({counts[colours.index(wrong[0])]} pixels){_others(wrong)}, which "
            "the table of colours does not name; add a line for it, called void where it is no class, or save masks "
            "without smoothing"
        )
    table = np.array([labels[colour] for colour in colours], np.uint8)
    return table[places].reshape(codes.shape)


def _others(wrong: list) -> str:
    texts = [" ".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in wrong]
    shown = ", ".join(texts[1:_MOST_SHOWN])
    more = f" and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
    return f", and {shown}{more}" if shown else ""


def _drawn(path: Path, coding: MaskCoding, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    document = read_document(path)
    if size is None:
        size = (document.get("imageWidth"), document.get("imageHeight"))  # type: ignore[assignment]  # checked below
    if not all(isinstance(side, int) and 0 < side < 2**15 for side in size or (None,)):
        raise UserError(f"{path} does not say the size of its image (imageWidth, imageHeight); export it anew")
    canvas = Image.new("L", size, coding.background)  # type: ignore[arg-type]  # just checked
    draw = ImageDraw.Draw(canvas)
    for number, shape in enumerate(document["shapes"], start=1):
        try:
            name, kind, points = outline(shape)
        except ValueError as error:
            raise UserError(f"{path}, shape {number}: {error}") from None
        if name not in coding.labels:
            names = ", ".join(map(str, coding.labels))
            raise UserError(f"{path}, shape {number} has the unknown class {name!r}; the classes are {names}")
        _draw(draw, kind, points, coding.labels[name])
    return np.asarray(canvas)


def _draw(draw: ImageDraw.ImageDraw, kind: str, points: list[tuple[float, float]], label: int) -> None:
    """Corners are between pixels, so the last row and column of a box are those before its far corner."""
    if kind == "polygon":
        draw.polygon(points, fill=label)
        return
    if kind == "circle":
        (x, y), (x2, y2) = points
        radius = ((x - x2) ** 2 + (y - y2) ** 2) ** 0.5
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=label)
        return
    xs, ys = sorted(round(x) for x, _ in points), sorted(round(y) for _, y in points)
    if xs[-1] > xs[0] and ys[-1] > ys[0]:
        draw.rectangle([xs[0], ys[0], xs[-1] - 1, ys[-1] - 1], fill=label)
