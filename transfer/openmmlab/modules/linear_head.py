"""The linear decoder for segmentation: LayerNorm and one linear layer on each position of the network's last map.

Trained with the network, end to end, it ranks networks as Mask2Former does at a thirteenth of the training time
(Kerssies et al. 2024, "How to Benchmark Vision Foundation Models for Semantic Segmentation?", arXiv 2404.12172).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor

from backbones.models.timm_survey import timm_layers


@MODELS.register_module()
class LinearHead(BaseDecodeHead):
    """One of mmsegmentation's decode heads; ``channels`` are the ``in_channels``.

    Args:
        in_channels: Of the map that it reads.
        others: Of ``BaseDecodeHead``.
    """

    def __init__(self, in_channels: int, **others: Any) -> None:
        super().__init__(in_channels=in_channels, channels=in_channels, **others)
        self.norm = timm_layers().LayerNorm2d(in_channels)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits (N, classes, H, W) of a map (N, in_channels, H, W)."""
        return self.cls_seg(self.norm(self._transform_inputs(inputs)))
