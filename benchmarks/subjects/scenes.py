"""Made-up photographs with objects: Pascal VOC's and ADE20K's layouts, of any size and number of boxes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.subjects.photographs import HEIGHT, WIDTH, made_up
from transfer.data.voc import VOC_CLASSES

ADE20K_CLASSES = 150
_DIFFERENT = 8  # pictures; more would only take longer to make
Box = tuple[int, int, int, int]


def write_voc(root: Path, train: int, test: int, boxes: int, year: str = "VOC2007") -> Path:
    """A VOCdevkit with ``boxes`` objects to an image; ``trainval`` and ``test``."""
    random = np.random.default_rng(0)
    folder = root / year
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    scenes = [_boxed(random, boxes) for _ in range(min(_DIFFERENT, train + test))]
    for number in range(train + test):
        content, objects = scenes[number % len(scenes)]
        (folder / "JPEGImages" / f"{number:06d}.jpg").write_bytes(content)
        (folder / "Annotations" / f"{number:06d}.xml").write_text(_annotation(number, objects))
    for split, numbers in (("trainval", range(train)), ("test", range(train, train + test))):
        lines = "".join(f"{number:06d}\n" for number in numbers)
        (folder / "ImageSets/Main" / f"{split}.txt").write_text(lines)
    return root


def write_ade20k(root: Path, train: int, validation: int) -> Path:
    """An ADEChallengeData2016 with all 150 classes in its label maps, 0 for what has none."""
    random = np.random.default_rng(0)
    for split, count in (("training", train), ("validation", validation)):
        scenes = [_labelled(random) for _ in range(min(_DIFFERENT, count))]
        for kind, suffix, place in (("images", "jpg", 0), ("annotations", "png", 1)):
            folder = root / kind / split
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"ADE_{split}_{number:08d}.{suffix}").write_bytes(scenes[number % len(scenes)][place])
    return root


def _boxed(random: np.random.Generator, boxes: int) -> tuple[bytes, list[tuple[str, Box]]]:
    """A JPEG file and its objects; the colour of a rectangle is its class's."""
    image = made_up(random)
    draw = ImageDraw.Draw(image)
    objects = []
    for _ in range(boxes):
        width, height = random.integers(40, 240), random.integers(40, 200)
        left, top = random.integers(1, WIDTH - width), random.integers(1, HEIGHT - height)
        label = int(random.integers(len(VOC_CLASSES)))
        box = (int(left), int(top), int(left + width), int(top + height))
        draw.rectangle(box, fill=tuple(int(value) for value in np.random.default_rng(label).integers(0, 256, 3)))
        objects.append((VOC_CLASSES[label], box))
    return _encoded(image, "JPEG", quality=90), objects


def _labelled(random: np.random.Generator) -> tuple[bytes, bytes]:
    """A JPEG file and its label map in patches of 25 pixels."""
    patches = random.integers(0, ADE20K_CLASSES + 1, (HEIGHT // 25, WIDTH // 25), dtype=np.uint8)
    labels = Image.fromarray(patches.repeat(25, axis=0).repeat(25, axis=1))
    return _encoded(made_up(random), "JPEG", quality=90), _encoded(labels, "PNG")


def _encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _annotation(number: int, objects: list[tuple[str, Box]]) -> str:
    found = "".join(
        f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult><bndbox>"
        f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>\n"
        for name, (left, top, right, bottom) in objects
    )
    return (
        f"<annotation><folder>VOC2007</folder><filename>{number:06d}.jpg</filename><size><width>{WIDTH}</width>"
        f"<height>{HEIGHT}</height><depth>3</depth></size><segmented>0</segmented>\n{found}</annotation>\n"
    )
