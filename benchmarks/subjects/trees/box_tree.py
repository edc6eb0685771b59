"""What a data set of COCO 2017's size costs to read and to check. Its images are hard links to a few small ones."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backbones.data.folders.verification import stamp
from benchmarks.subjects.photographs import made_up
from benchmarks.subjects.trees.index_tree import LINKS_PER_FILE, MIB
from transfer.data.good_files import GoodFiles
from transfer.data.scenes.check import check_scenes
from transfer.data.scenes.choice import scenes_of
from transfer.data.scenes.formats.known import recognise_scenes
from transfer.data.scenes.scene import Scene

IMAGES, BOXES = 118_287, 860_001  # of train2017
WIDTH, HEIGHT = 64, 48
CATEGORIES = 80
CORNERS = 24  # of an outline, so that the file has the size of the published one
_TEMPLATES = 1000


def measure_boxes(root: Path, images: int) -> dict[str, Any]:
    """All figures, by name. Memory is that of the process, which should be a new one. Images are taken for decoded.

    Args:
        root: An empty folder; what is built stays there.
        images: Of the training part; boxes come in COCO's proportion.
    """
    boxes = build_tree(root, images)
    annotations = root / "annotations" / "instances_train2017.json"
    figures: dict[str, Any] = {"boxes": boxes, "JSON, MB": round(annotations.stat().st_size / 1e6, 1)}
    figures["reading the JSON, s"], part = _timed(lambda: _read(root))
    figures["reading the JSON, memory at its peak, MiB"] = _peak()
    if (len(part), sum(len(scene.boxes) for scene in part)) != (images, boxes):
        raise AssertionError(f"{len(part)} images were read, not {images}, or other boxes than {boxes}")
    figures["reading its index, s"], _ = _timed(lambda: _read(root))
    figures["images taken for decoded, s"], _ = _timed(lambda: _pretend_decoded(root, part))
    figures["checking every box, s"], classes = _timed(lambda: _check(root))
    figures["checking again, s"], _ = _timed(lambda: _check(root))
    if sum(classes.values()) != boxes:
        raise AssertionError(f"{sum(classes.values())} boxes were checked, not {boxes}")
    figures["all of it, memory at its peak, MiB"] = _peak()
    return figures


def build_tree(root: Path, images: int) -> int:
    """``train2017`` of links, and their annotations as COCO writes them; returns the number of boxes."""
    (root / "train2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    random = np.random.default_rng(0)
    sources = [root / f"{number}.jpg" for number in range(-(-images // LINKS_PER_FILE))]
    for path in sources:
        made_up(random, WIDTH, HEIGHT).save(path, quality=90)
    for number in range(images):
        os.link(sources[number % len(sources)], f"{root}/train2017/{number:012d}.jpg")
    boxes = images * BOXES // IMAGES
    templates = [_template(random) for _ in range(_TEMPLATES)]
    with (root / "annotations" / "instances_train2017.json").open("w") as stream:
        stream.write('{"info": {}, "licenses": [], "images": [')
        stream.write(", ".join(_image(number) for number in range(images)))
        stream.write('], "annotations": [')
        for number in range(boxes):
            image = number * 7919 % images  # not in the order of the images, as in the published file
            stream.write(", " * (number > 0) + templates[number % _TEMPLATES] % (image, number))
        categories = [
            {"supercategory": "x", "id": number + 1, "name": f"class {number}"} for number in range(CATEGORIES)
        ]
        stream.write(f'], "categories": {json.dumps(categories)}}}')
    return boxes


def _image(number: int) -> str:
    name = f"{number:012d}.jpg"
    more = {"license": 3, "coco_url": f"http://images.cocodataset.org/train2017/{name}", "date_captured": "2013-11-14"}
    return json.dumps({"file_name": name, "height": HEIGHT, "width": WIDTH, "id": number, **more})


def _template(random: np.random.Generator) -> str:
    """An annotation of random place and class, but for the numbers of its image and its own."""
    (x, width), (y, height) = (
        (low, random.uniform(2, limit - low))
        for limit, low in ((WIDTH, random.uniform(0, WIDTH - 3)), (HEIGHT, random.uniform(0, HEIGHT - 3)))
    )
    outline = np.round(
        np.tile([x, y], CORNERS) + random.uniform(0, 1, 2 * CORNERS) * np.tile([width, height], CORNERS), 2
    )
    document = {
        **{"segmentation": [outline.tolist()], "area": round(width * height, 3), "iscrowd": 0, "image_id": "IMAGE"},
        **{
            "bbox": [round(each, 2) for each in (x, y, width, height)],
            "category_id": int(random.integers(CATEGORIES)) + 1,
        },
        "id": "NUMBER",
    }
    return json.dumps(document).replace('"IMAGE"', "%d").replace('"NUMBER"', "%d")


def _read(root: Path) -> list[Scene]:
    folder = recognise_scenes(root)
    assert folder is not None
    return scenes_of(folder, "train").scenes


def _pretend_decoded(root: Path, scenes: list[Scene]) -> None:
    """Record all images as good; decoding them would take an hour."""
    memory = GoodFiles(root, {"format": "image"})
    for scene in scenes:
        memory.add([stamp(root, root / scene.image, "")], scene.size)
    memory.save()


def _check(root: Path) -> dict[str, int]:
    folder = recognise_scenes(root)
    assert folder is not None
    return check_scenes(folder, "train", folder.classes).objects


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of processor that it took, and what it returned."""
    start = time.process_time()
    result = work()
    return round(time.process_time() - start, 3), result


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // MIB
