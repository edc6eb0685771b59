"""The data set and the reading of masks that segmentors train with where the layout is not an index PNG's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS, TRANSFORMS

from backbones.errors import UserError
from transfer.data.masks.choice import pairs_of
from transfer.data.masks.coding import read_mask
from transfer.data.masks.folder import recognise_masks
from transfer.data.scenes.parts import held_out_of


@DATASETS.register_module()
class MaskDataset(BaseSegDataset):
    """Reads a part of ``data_root``, whose layout is recognised anew.

    Args:
        split: ``train``, ``val`` or ``test``.
        held_out: ``{"share", "split_seed"}`` where the validation images are held out of the training part.
        options: mmseg's own.
    """

    def __init__(self, split: str, held_out: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.split = split
        self.held_out = held_out_of(held_out)
        super().__init__(**options)

    def load_data_list(self) -> list[dict[str, Any]]:
        """What mmseg wants to know of each image.

        Raises:
            UserError: The folder is in none of the layouts.
        """
        folder = recognise_masks(Path(self.data_root), index_pngs=self.held_out is not None)
        if folder is None:
            raise UserError(f"{self.data_root} is in no layout of masks that is known")
        return [
            {
                **{"img_path": str(pair.image), "seg_map_path": str(pair.mask), "mask_coding": folder.coding},
                **{"label_map": None, "reduce_zero_label": False, "seg_fields": []},
            }
            for pair in pairs_of(folder, self.split, self.held_out)
        ]

    def _join_prefix(self) -> None:
        """Nothing is to be joined: paths are whole."""


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Reads a mask as ``transfer.data.masks.check`` has read it; in the place of mmseg's ``LoadAnnotations``."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``gt_seg_map``, the labels (height, width)."""
        height, width = results["ori_shape"]
        results["gt_seg_map"] = read_mask(Path(results["seg_map_path"]), results["mask_coding"], (width, height)).copy()
        results["seg_fields"].append("gt_seg_map")
        return results
