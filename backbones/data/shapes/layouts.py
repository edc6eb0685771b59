"""The three folder layouts: which folders they have, and what one image adds to them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from backbones.data.shapes.outlines import OBJECT_CLASSES
from backbones.data.shapes.scene import CENTERED, SCATTERED, DrawnScene, SceneObject, Style
from backbones.data.shapes.textures import STUFF_CLASSES

JPEG_QUALITY = 92

Files = dict[str, bytes]
"""Contents by path below the data set's root, with forward slashes."""


@dataclass(frozen=True)
class WrittenLayout:
    """A folder layout.

    ``splits`` are the training split and the one for measuring. ``files(scene, label, split, number)`` are those of one
    image; ``number`` counts from 1 and on through both splits. ``list_file`` lists the images of a ``{split}``;
    ``class_file`` lists ``class_names``, first label first.
    """

    style: Style
    splits: tuple[str, str]
    folders: tuple[str, ...]
    files: Callable[[DrawnScene, int, str, int], Files]
    list_file: str | None
    class_file: str | None
    class_names: tuple[str, ...]

    @property
    def root(self) -> str:
        """The folder of all the others: what a training program takes as its data."""
        return self.folders[0].partition("/")[0]


def _classification_files(scene: DrawnScene, label: int, split: str, number: int) -> Files:
    return {f"classification/{split}/{OBJECT_CLASSES[label]}/{number:08d}.jpg": _jpeg(scene.image)}


def _detection_files(scene: DrawnScene, label: int, split: str, number: int) -> Files:
    year = "VOCdevkit/VOC2007"
    return {
        f"{year}/JPEGImages/{number:06d}.jpg": _jpeg(scene.image),
        f"{year}/Annotations/{number:06d}.xml": _voc_xml(scene, f"{number:06d}.jpg").encode(),
    }


def _segmentation_files(scene: DrawnScene, label: int, split: str, number: int) -> Files:
    name = f"ADE_{'train' if split == 'training' else 'val'}_{number:08d}"
    root = "ADEChallengeData2016"
    return {
        f"{root}/images/{split}/{name}.jpg": _jpeg(scene.image),
        f"{root}/annotations/{split}/{name}.png": _png(scene.label_map()),
    }


LAYOUTS: dict[str, WrittenLayout] = {
    "classification": WrittenLayout(
        style=CENTERED,
        splits=("train", "val"),
        folders=tuple(f"classification/{split}/{name}" for split in ("train", "val") for name in OBJECT_CLASSES),
        files=_classification_files,
        list_file=None,
        class_file=None,
        class_names=OBJECT_CLASSES,
    ),
    "detection": WrittenLayout(
        style=SCATTERED,
        splits=("trainval", "test"),
        folders=tuple(f"VOCdevkit/VOC2007/{name}" for name in ("JPEGImages", "Annotations", "ImageSets/Main")),
        files=_detection_files,
        list_file="VOCdevkit/VOC2007/ImageSets/Main/{split}.txt",
        class_file="VOCdevkit/classes.txt",
        class_names=OBJECT_CLASSES,
    ),
    "segmentation": WrittenLayout(
        style=SCATTERED,
        splits=("training", "validation"),
        folders=tuple(
            f"ADEChallengeData2016/{kind}/{split}"
            for kind in ("images", "annotations")
            for split in ("training", "validation")
        ),
        files=_segmentation_files,
        list_file=None,
        class_file="ADEChallengeData2016/classes.txt",
        class_names=OBJECT_CLASSES + STUFF_CLASSES,
    ),
}


def list_lines(numbers: range) -> Iterator[str]:
    """The lines of a VOC image set."""
    return (f"{number:06d}\n" for number in numbers)


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def _png(labels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(labels).save(stream, "PNG", compress_level=6)
    return stream.getvalue()


def _voc_xml(scene: DrawnScene, file_name: str) -> str:
    width, height = scene.image.size
    objects = "".join(map(_voc_object, scene.objects))
    return f"""<annotation>
	<folder>VOC2007</folder>
	<filename>{file_name}</filename>
	<source>
		<database>shapes</database>
	</source>
	<size>
		<width>{width}</width>
		<height>{height}</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>
{objects}</annotation>
"""


def _voc_object(item: SceneObject) -> str:
    box = item.box
    return f"""	<object>
		<name>{item.name}</name>
		<pose>Unspecified</pose>
		<truncated>{int(item.truncated)}</truncated>
		<difficult>{int(item.difficult)}</difficult>
		<bndbox>
			<xmin>{box.left + 1}</xmin>
			<ymin>{box.top + 1}</ymin>
			<xmax>{box.right + 1}</xmax>
			<ymax>{box.bottom + 1}</ymax>
		</bndbox>
	</object>
"""
