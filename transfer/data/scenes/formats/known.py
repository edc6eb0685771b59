"""All formats of scenes, in the order in which a folder is asked for them."""

from __future__ import annotations

from pathlib import Path

from transfer.data.scenes.formats import coco, cvat, labelme, voc_xml, yolo
from transfer.data.scenes.scene import SceneFolder

# Text comes last: any folder may hold some. XML and JSON say what they are.
_FORMATS = (coco.recognise, cvat.recognise, voc_xml.recognise, labelme.recognise, yolo.recognise)


def scenes_or_devkit(root: Path) -> SceneFolder | None:
    """``recognise_scenes``, and a VOCdevkit besides, for protocols that read scenes alone."""
    return recognise_scenes(root) or voc_xml.recognise_devkit(root)


def recognise_scenes(root: Path) -> SceneFolder | None:
    """The folder in the first format that it has the marks of; None where it has those of none.

    Raises:
        UserError: It has a format's marks, and cannot be meant so.
    """
    if not root.is_dir():
        return None
    return next((found for recognise in _FORMATS if (found := recognise(root)) is not None), None)
