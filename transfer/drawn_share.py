"""A share of a training set, for a first look (``--fraction``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from backbones.data.folders.drawing_lots import draw_share

SEED = 0  # of every draw: two rows of a comparison train on the same images, whatever their seeds


@DATASETS.register_module()
class DrawnShare:
    """Some of another data set's images: which, their names decide, and nothing else.

    Of two fractions, the images of the smaller are mostly among those of the larger. Images that the other data set
    filters out (those without objects, for one) are not drawn from.

    Args:
        dataset: The other data set, or its configuration.
        fraction: Of its images, above 0 and below 1; rounded down, and one at least.
        lazy_init: Leave the reading for later.
    """

    def __init__(self, dataset: BaseDataset | dict[str, Any], fraction: float, lazy_init: bool = False) -> None:
        self.dataset: Any = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.fraction = fraction
        self.places: Sequence[int] = ()
        self._metainfo = self.dataset.metainfo
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict[str, Any]:
        """The other data set's."""
        return dict(self._metainfo)

    def full_init(self) -> None:
        """Read the other data set, and draw."""
        if self._fully_initialized:
            return
        self.dataset.full_init()
        root = self.dataset.data_root
        paths = [self.dataset.get_data_info(place)["img_path"] for place in range(len(self.dataset))]
        names = [os.path.relpath(path, root) for path in paths]
        self.places = np.flatnonzero(draw_share(names, [0] * len(names), self.fraction, SEED)).tolist()
        self._fully_initialized = True

    def get_data_info(self, index: int) -> dict[str, Any]:
        """What is known of an image."""
        return self.dataset.get_data_info(self.places[index])

    def get_cat_ids(self, index: int) -> list[int]:
        """Classes of its objects."""
        return self.dataset.get_cat_ids(self.places[index])

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.places[index]]

    def __len__(self) -> int:
        return len(self.places)
