"""The data set that detectors train on where it is no VOCdevkit: scenes, in whatever format they come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet.datasets.xml_style import XMLDataset
from mmdet.registry import DATASETS

from backbones.errors import UserError
from transfer.data.scenes.check import clipped
from transfer.data.scenes.choice import scenes_of
from transfer.data.scenes.formats.known import scenes_or_devkit
from transfer.data.scenes.parts import held_out_of
from transfer.data.scenes.scene import Scene


@DATASETS.register_module()
class SceneDataset(XMLDataset):
    """Reads a part of ``data_root``, whose format is recognised anew; filters images as mmdet's XML data sets do.

    Args:
        split: ``train``, ``val`` or ``test``.
        held_out: ``{"share", "split_seed"}`` where the validation images are held out of the training part.
        options: mmdet's own.
    """

    def __init__(self, split: str, held_out: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.split = split
        self.held_out = held_out_of(held_out)
        super().__init__(**options)

    def load_data_list(self) -> list[dict[str, Any]]:
        """What mmdet wants to know of each image.

        Raises:
            UserError: The folder is in none of the formats, or lacks the part.
        """
        root = Path(self.data_root)
        folder = scenes_or_devkit(root)
        if folder is None:
            raise UserError(f"{root} is in no format of boxes that is known")
        labels = {name: label for label, name in enumerate(self._metainfo["classes"])}
        return [self._described(root, scene, labels) for scene in scenes_of(folder, self.split, self.held_out).scenes]

    def _join_prefix(self) -> None:
        """Nothing is to be joined: names of images begin at the root."""

    def _described(self, root: Path, scene: Scene, labels: Mapping[str, int]) -> dict[str, Any]:
        least = self.bbox_min_size or 0
        instances = []
        for box in (clipped(each, scene.size) for each in scene.boxes):
            small = box.x2 - box.x1 < least or box.y2 - box.y1 < least
            corners = [box.x1, box.y1, box.x2, box.y2]
            instances.append(
                {"bbox": corners, "bbox_label": labels[box.name], "ignore_flag": int(box.ignored or small)}
            )
        width, height = scene.size
        return {
            "img_path": str(root / scene.image),
            "img_id": scene.image,
            "width": width,
            "height": height,
            "instances": instances,
        }
