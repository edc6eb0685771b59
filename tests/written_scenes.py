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


def _corners(box: Box) -> str:
    """Counted from 1, as VOC does."""
    pairs = zip(("xmin", "ymin", "xmax", "ymax"), box[:4], strict=True)
    return "".join(f"<{name}>{value + 1}</{name}>" for name, value in pairs)


def _voc_xml(scene: Scene) -> str:
    objects = "".join(
        f"<object><name>{box.name}</name><difficult>{int(box.ignored)}</difficult><bndbox>{_corners(box)}</bndbox></object>"
        for box in scene.boxes
    )
    width, height = scene.size
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def roboflow_voc(root: Path, parts: Parts) -> None:
    for part, listed in parts.items():
        folder = root / {"val": "valid"}.get(part, part)
        for scene in listed:
            picture(folder / f"{scene.image}.jpg", scene)
            _text(folder / f"{scene.image}.xml", _voc_xml(scene))


def voc_in_two_folders(root: Path, parts: Parts) -> None:
    for part, listed in parts.items():
        _text(root / f"{part}.txt", "".join(f"{scene.image}\n" for scene in listed))
        for scene in listed:
            picture(root / "images" / f"{scene.image}.png", scene)
            _text(root / "annotations" / f"{scene.image}.xml", _voc_xml(scene))


def cvat_voc(root: Path, parts: Parts) -> None:
    for part, listed in parts.items():
        _text(root / "ImageSets" / "Main" / f"{part}.txt", "".join(f"{scene.image}\n" for scene in listed))
        for scene in listed:
            picture(root / "JPEGImages" / f"{scene.image}.png", scene)
            _text(root / "Annotations" / f"{scene.image}.xml", _voc_xml(scene))
    _text(root / "labelmap.txt", "# label:color_rgb:parts:actions\n")


def cvat(root: Path, parts: Parts) -> None:
    images = ""
    for part, listed in parts.items():
        for scene in listed:
            picture(root / "images" / f"{scene.image}.png", scene)
            objects = "".join(_cvat_shape(box, place) for place, box in enumerate(scene.boxes))
            width, height = scene.size
            place = f'name="{scene.image}.png" subset="{part}" width="{width}" height="{height}"'
            images += f"<image {place}>{objects}</image>"
    _text(root / "annotations.xml", f"<annotations><version>1.1</version>{images}</annotations>")


def _cvat_shape(box: Box, place: int) -> str:
    inner = f'<attribute name="difficult">{str(box.ignored).lower()}</attribute>'
    if place % 2:
        points = ";".join(f"{x},{y}" for x, y in _outline(box))
        return f'<polygon label="{box.name}" points="{points}">{inner}</polygon>'
    return f'<box label="{box.name}" xtl="{box.x1}" ytl="{box.y1}" xbr="{box.x2}" ybr="{box.y2}">{inner}</box>'


def _outline(box: Box) -> list[tuple[float, float]]:
    """A diamond that the box is around."""
    middle = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
    return [(middle[0], box.y1), (box.x2, middle[1]), (middle[0], box.y2), (box.x1, middle[1])]


def labelme(root: Path, parts: Parts) -> None:
    for part, listed in parts.items():
        for scene in listed:
            picture(root / part / f"{scene.image}.png", scene)
            shapes = [
                {
                    **{"label": box.name, "flags": {"difficult": True} if box.ignored else {}},
                    **{"shape_type": ("rectangle", "polygon")[place % 2]},
                    "points": _outline(box) if place % 2 else [[box.x2, box.y2], [box.x1, box.y1]],
                }
                for place, box in enumerate(scene.boxes)
            ]
            width, height = scene.size
            sides = {"imageWidth": width, "imageHeight": height} if listed.index(scene) else {}
            document = {
                "version": "5.2.1",
                "flags": {},
                "shapes": shapes,
                "imagePath": f"..\\{scene.image}.png",
                **sides,
            }
            _text(root / part / f"{scene.image}.json", json.dumps({**document, "imageData": "AAAA" * 10}))


def _yolo_lines(scene: Scene) -> str:
    lines = []
    for place, box in enumerate(scene.boxes):
        if place % 2:
            values = [value for x, y in _outline(box) for value in (x / scene.size[0], y / scene.size[1])]
        else:
            values = [(box.x1 + box.x2) / 2 / scene.size[0], (box.y1 + box.y2) / 2 / scene.size[1]]
            values += [(box.x2 - box.x1) / scene.size[0], (box.y2 - box.y1) / scene.size[1]]
        lines.append(" ".join([str(CLASSES.index(box.name)), *(f"{value:.9f}" for value in values)]) + "\n")
    return "".join(lines)


def _yolo(images: Callable[[str, str], str]) -> Callable[[Path, Parts], None]:
    """Images where ``images(part, name)`` says, labels accordingly; those without objects have none."""

    def write(root: Path, parts: Parts) -> None:
        for part, listed in parts.items():
            for scene in listed:
                path = images(part, scene.image)
                picture(root / path, scene)
                if scene.boxes:
                    _text((root / path.replace("images/", "labels/")).with_suffix(".txt"), _yolo_lines(scene))

    return write


def yolo_v5(root: Path, parts: Parts) -> None:
    _yolo(lambda part, name: f"images/{part}/deep/{name}.png")(root, parts)
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(CLASSES))
    _text(root / "coco8.yaml", f"path: ../datasets/coco8\ntrain: images/train\nval: images/val\ntest:\nnames:\n{names}")


def roboflow_yolo(root: Path, parts: Parts) -> None:
    _yolo(lambda part, name: f"{ {'val': 'valid'}.get(part, part) }/images/{name}.jpg")(root, parts)
    lines = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    _text(root / "data.yaml", f"{lines}\nnc: {len(CLASSES)}\nnames: {json.dumps(CLASSES)}\n")


def cvat_yolo(root: Path, parts: Parts) -> None:
    _yolo(lambda part, name: f"obj_train_data/{name}.png")(root, parts)
    for part, listed in parts.items():
        _text(root / f"{part}.txt", "".join(f"data/obj_train_data/{scene.image}.png\n" for scene in listed))
    _text(root / "obj.names", "".join(f"{name}\n" for name in CLASSES))
    _text(root / "obj.data", "classes = 3\ntrain = data/train.txt\n")


def yolo_by_folders(root: Path, parts: Parts) -> None:
    _yolo(lambda part, name: f"images/{part}/{name}.png")(root, parts)
    _text(root / "classes.txt", "".join(f"{name}\n" for name in CLASSES))


_YOLO = "YOLO's images and labels"
# By a name for the test: what writes it, and what it is taken for.
FORMATS: dict[str, tuple[Callable[[Path, Parts], None], str]] = {
    "COCO": (coco, "COCO's JSON"),
    "Roboflow, VOC": (roboflow_voc, "images with VOC's XML beside them"),
    "XML in annotations": (voc_in_two_folders, "images with VOC's XML in a folder of its own"),
    "CVAT, VOC": (cvat_voc, "CVAT's export of Pascal VOC"),
    "CVAT": (cvat, "CVAT's own export (annotations.xml)"),
    "labelme": (labelme, "images with labelme's JSON beside them"),
    "YOLOv5": (yolo_v5, _YOLO),
    "Roboflow, YOLO": (roboflow_yolo, _YOLO),
    "CVAT, YOLO": (cvat_yolo, _YOLO),
    "YOLO by folders": (yolo_by_folders, _YOLO),
}
# Formats that cannot say that an object does not count.
WITHOUT_IGNORED = ("YOLOv5", "Roboflow, YOLO", "CVAT, YOLO", "YOLO by folders")
