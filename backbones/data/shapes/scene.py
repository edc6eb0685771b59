"""One picture: stuff, clutter and objects, placed from the nearest to the farthest, painted the other way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageFilter

from backbones.data.shapes import difficulty
from backbones.data.shapes.outlines import OBJECT_CLASSES, OUTLINES
from backbones.data.shapes.stamps import PixelBox, Stamp, blob_stamp, extent, object_stamp, stroke_stamp
from backbones.data.shapes.textures import STUFF_CLASSES, paint, pick_color

_OUTLINES = tuple(OUTLINES.values())
_ATTEMPTS = 8  # places tried for an object that others hide, before the picture goes without it


@dataclass(frozen=True)
class Style:
    """What distinguishes the pictures of one layout; ranges include both ends, lengths are shares of the image side."""

    objects: tuple[int, int]
    one_class: bool
    scale: tuple[float, float]
    center: tuple[float, float]
    visible: float


CENTERED = Style(
    objects=difficulty.CLASSIFICATION_OBJECTS,
    one_class=True,
    scale=difficulty.CLASSIFICATION_SCALE,
    center=(0.5 - difficulty.CLASSIFICATION_OFFSET, 0.5 + difficulty.CLASSIFICATION_OFFSET),
    visible=difficulty.CLASSIFICATION_VISIBLE,
)
SCATTERED = Style(
    objects=difficulty.SCENE_OBJECTS,
    one_class=False,
    scale=difficulty.SCENE_SCALE,
    center=(0.04, 0.96),
    visible=difficulty.SCENE_VISIBLE,
)


@dataclass(frozen=True)
class SceneObject:
    """An object as it is seen: ``mask`` (size, size) its visible pixels, ``box`` their extent, ``label`` its class.

    Labels count from 0. ``visible`` is the share of the object, parts beyond the image's edge included, that can be
    seen; ``truncated`` means that the box is not that of the whole object.
    """

    label: int
    mask: np.ndarray
    box: PixelBox
    visible: float
    truncated: bool

    @property
    def name(self) -> str:
        """Name of the class."""
        return OBJECT_CLASSES[self.label]

    @property
    def difficult(self) -> bool:
        """Mostly hidden or tiny: not counted by VOC's evaluation."""
        side = math.sqrt(np.count_nonzero(self.mask)) / len(self.mask)
        return self.visible < difficulty.DIFFICULT_VISIBLE or side < difficulty.DIFFICULT_SIDE


@dataclass(frozen=True)
class DrawnScene:
    """A picture and what is in it, nearest object first.

    ``stuff`` (size, size) numbers the texture of the background at every pixel, from 0; ``clutter`` (size, size) is
    true where something is seen that belongs to no class.
    """

    image: Image.Image
    objects: list[SceneObject]
    stuff: np.ndarray
    clutter: np.ndarray

    def label_map(self) -> np.ndarray:
        """Labels (size, size), 8-bit: 0 = unlabelled (clutter and borders), then the object classes, then the stuff."""
        labels = self.stuff + np.uint8(1 + len(OBJECT_CLASSES))
        labels[self.clutter] = 0
        for item in self.objects:
            labels[item.mask] = 1 + item.label
        border = np.zeros(labels.shape, dtype=bool)
        border[:, :-1] = labels[:, :-1] != labels[:, 1:]
        border[:-1] |= labels[:-1] != labels[1:]
        labels[border] = 0
        return labels


@dataclass
class _Stack:
    """Things already placed, nearest first, the pixels they hide from all that follows, and those of clutter."""

    size: int
    covered: np.ndarray
    clutter: np.ndarray
    stamps: list[Stamp] = field(default_factory=list)

    @classmethod
    def empty(cls, size: int) -> _Stack:
        return cls(size, np.zeros((size, size), dtype=bool), np.zeros((size, size), dtype=bool))

    def add_clutter(self, stamp: Stamp) -> None:
        mask = stamp.on_canvas(self.size) & ~self.covered
        self.clutter |= mask
        self.covered |= mask
        self.stamps.append(stamp)

    def add_object(self, stamp: Stamp, label: int, least_visible: float) -> SceneObject | None:
        """Place an object behind everything so far, unless too little of it would be seen."""
        whole = np.count_nonzero(stamp.crisp)
        mask = stamp.on_canvas(self.size)
        seen = mask & ~self.covered
        visible = np.count_nonzero(seen) / max(whole, 1)
        box = extent(seen)
        # A box one pixel wide has no width in the coordinates of VOC's readers.
        if visible < least_visible or box is None or box.left == box.right or box.top == box.bottom:
            return None
        self.covered |= mask
        self.stamps.append(stamp)
        return SceneObject(label, seen, box, visible, box != extent(stamp.crisp, stamp.left, stamp.top))


def compose_scene(random: np.random.Generator, size: int, style: Style, main_label: int) -> DrawnScene:
    """A picture of ``size`` x ``size`` pixels whose foremost object has class ``main_label``."""
    stack = _Stack.empty(size)
    objects = [_place_main(random, stack, style, main_label)]
    for _ in range(_count(random, style.objects) - 1):
        label = main_label if style.one_class else int(random.integers(len(OBJECT_CLASSES)))
        objects += _place(random, stack, style, label)
    for _ in range(_count(random, difficulty.CLUTTER_BEHIND)):
        stack.add_clutter(_clutter_stamp(random, size))
    stuff, surface = _background(random, size)
    image = Image.fromarray(surface)
    for stamp in reversed(stack.stamps):
        _paint_stamp(random, image, stamp)
    return DrawnScene(_photograph(random, image), objects, stuff, stack.clutter)


def _count(random: np.random.Generator, ends: tuple[int, int]) -> int:
    return int(random.integers(ends[0], ends[1] + 1))


def _object_stamp(random: np.random.Generator, size: int, style: Style, label: int) -> Stamp:
    low, high = style.scale
    scale = size * low * (high / low) ** random.random()
    x, y = (size * random.uniform(*style.center, 2)).tolist()
    return object_stamp(random, _OUTLINES[label], (x, y), scale)


def _clutter_stamp(random: np.random.Generator, size: int) -> Stamp:
    scale = size * random.uniform(*difficulty.CLUTTER_SCALE)
    x, y = (size * random.random(2)).tolist()
    kind = blob_stamp if random.random() < 0.5 else stroke_stamp
    return kind(random, (x, y), scale)


def _place_main(random: np.random.Generator, stack: _Stack, style: Style, label: int) -> SceneObject:
    """Place clutter, and the object every picture is sure to have behind it; start again if that hides too much."""
    while True:
        trial = _Stack.empty(stack.size)
        for _ in range(_count(random, difficulty.CLUTTER_IN_FRONT)):
            trial.add_clutter(_clutter_stamp(random, stack.size))
        placed = trial.add_object(_object_stamp(random, stack.size, style, label), label, style.visible)
        if placed is not None:
            stack.covered, stack.clutter, stack.stamps = trial.covered, trial.clutter, trial.stamps
            return placed


def _place(random: np.random.Generator, stack: _Stack, style: Style, label: int) -> list[SceneObject]:
    for _ in range(_ATTEMPTS):
        placed = stack.add_object(_object_stamp(random, stack.size, style, label), label, style.visible)
        if placed is not None:
            return [placed]
    return []


def _background(random: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Stuff numbers (size, size) and the painted surface (size, size, 3)."""
    kinds = random.permutation(len(STUFF_CLASSES))[: _count(random, difficulty.STUFF_REGIONS)]
    owner = _regions(random, size, len(kinds))
    stuff = kinds.astype(np.uint8)[owner]
    surface = np.empty((size, size, 3), dtype=np.uint8)
    for number, kind in enumerate(kinds.tolist()):
        first = pick_color(random, difficulty.STUFF_BRIGHTNESS)
        pair = (first, _shade(random, first))
        np.copyto(surface, paint(random, kind, pair, size, size), where=(owner == number)[..., None])
    return stuff, surface


def _shade(random: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """Another colour that differs by ``difficulty.STUFF_CONTRAST`` in its strongest channel, or less at the limits."""
    direction = random.uniform(-1, 1, 3)
    step = direction / np.abs(direction).max() * random.uniform(*difficulty.STUFF_CONTRAST)
    return np.clip(color + step, 0, 255)


def _regions(random: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Which of ``count`` regions each pixel (size, size) belongs to: that of the nearest site, with bent borders."""
    sites = random.random((count, 2), dtype=np.float32)
    bend = random.uniform(-0.35, 0.35, (count, 2)).astype(np.float32)
    position = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    y, x = position[:, None], position[None, :]
    product = (x - np.float32(0.5)) * (y - np.float32(0.5)) * np.float32(2)
    distances = [
        (x - site[0]) * (x - site[0]) + (y - site[1]) * (y - site[1]) + (x * x * curve[0] + product * curve[1])
        for site, curve in zip(sites, bend, strict=True)
    ]
    return np.stack(distances).argmin(axis=0)


def _paint_stamp(random: np.random.Generator, image: Image.Image, stamp: Stamp) -> None:
    width, height = stamp.mask.size
    first = pick_color(random, difficulty.OBJECT_BRIGHTNESS)
    second = first + (random.integers(0, 256, 3) - first) * (difficulty.OBJECT_TEXTURE * random.random())
    texture = int(random.integers(len(STUFF_CLASSES)))
    surface = paint(random, texture, (first, second), height, width)
    image.paste(Image.fromarray(surface), (stamp.left, stamp.top), stamp.mask)


def _photograph(random: np.random.Generator, image: Image.Image) -> Image.Image:
    """Uneven light, blur and sensor noise."""
    size = image.width
    image = image.filter(ImageFilter.GaussianBlur(difficulty.BLUR * random.random()))
    across, down = random.uniform(-difficulty.LIGHT, difficulty.LIGHT, 2).astype(np.float32) / 2
    position = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size) - np.float32(0.5)
    light = np.float32(1) + across * position[None, :] + down * position[:, None]
    pixels = np.asarray(image) * light[..., None]
    amplitude = np.float32(difficulty.NOISE * random.random() / 255)
    grain = random.integers(0, 256, (2, size, size, 3), dtype=np.uint8).astype(np.float32)
    pixels += (grain[0] - grain[1]) * amplitude  # the difference of two uniform values: zero mean, triangular
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
