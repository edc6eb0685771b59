"""Scenes written to disk in each format, by the formats' own descriptions and without the code that reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from transfer.data.scenes.scene import Box, Scene

CLASSES = ("cat", "dog", "a bird")
Parts = Mapping[str, Sequence[Scene]]


@st.composite
def boxes(draw: st.DrawFn, width: int, height: int, ignored: bool = True) -> Box:
    """Whole corners inside an image, at least one pixel apart."""
    x1, y1 = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
    x2, y2 = draw(st.integers(x1 + 1, width - 1)), draw(st.integers(y1 + 1, height - 1))
    return Box(x1, y1, x2, y2, draw(st.sampled_from(CLASSES)), ignored and draw(st.booleans()))


@st.composite
def scenes(draw: st.DrawFn, part: str, ignored: bool = True) -> list[Scene]:
    """A few images of one part with up to three objects; the first has one that counts."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        size = draw(st.integers(8, 20)), draw(st.integers(8, 20))
        inside = draw(st.lists(boxes(*size, ignored=ignored), max_size=3))
        if number == 0:
            inside.insert(0, Box(0, 0, 3, 4, draw(st.sampled_from(CLASSES))))
        found.append(Scene(f"{part}{number}", size, tuple(inside), ""))
    return found


def picture(path: Path, scene: Scene) -> None:
    """The image of a scene: noise of its own, so that no two are alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = abs(hash((scene.image, scene.size))) % 2**32
    width, height = scene.size
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)).save(path)


def bare(scenes: Sequence[Scene]) -> dict[str, tuple[tuple[int, int], frozenset[Box]]]:
    """What is in each image, by its stem: to compare, whatever folder and order it is in."""
    return {
        Path(scene.image).stem: (
            scene.size,
            frozenset(
                box._replace(**{side: round(getattr(box, side), 3) for side in Box._fields[:4]}) for box in scene.boxes
            ),
        )
        for scene in scenes
    }


def coco(root: Path, parts: Parts, classes: Sequence[str] = CLASSES) -> None:
    """COCO's layout, with numbers that have gaps and images in folders below the part's."""
    numbers = {name: 7 * place + 3 for place, name in enumerate(classes)}
    (root / "annotations").mkdir(parents=True)
    for part, listed in parts.items():
        images, annotations = [], []
        for place, scene in enumerate(listed):
            name = f"batch{place % 2}/{scene.image}.png"
            picture(root / f"{part}2017" / name, scene)
            width, height = scene.size
            images.append({"id": 1000 * place + 5, "file_name": name, "width": width, "height": height})
            for box in scene.boxes:
                w, h = box.x2 - box.x1, box.y2 - box.y1
                outline = (
                    {"counts": [0, width * height], "size": [height, width]} if box.ignored else [[0, 0, 1, 1, 1, 0]]
                )
                annotations.append(
                    {
                        **{"id": 13 * len(annotations) + 1, "image_id": images[-1]["id"], "iscrowd": int(box.ignored)},
                        **{"category_id": numbers[box.name], "bbox": [box.x1, box.y1, w, h], "area": w * h},
                        "segmentation": outline,
                    }
                )
        categories = [{"id": number, "name": name} for name, number in reversed(numbers.items())]
        document = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(document))


FORMATS: dict[str, Callable[[Path, Parts], None]] = {"COCO's JSON": coco}
WITHOUT_IGNORED: tuple[str, ...] = ()  # formats that cannot say that an object does not count
