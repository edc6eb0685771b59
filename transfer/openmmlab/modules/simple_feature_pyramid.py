"""The simple feature pyramid of ViTDet (Li et al. 2022, "Exploring Plain Vision Transformer Backbones for Object
Detection", arXiv 2203.16527, Section 3): four maps out of a network's last one, for networks of a single stride.

The paper starts at stride 16 and goes to 4, 8, 16 and 32; here the stride of the map is 8, 16 or 32, on the nearest of
which the trunk lays what has another, and each level is as many transposed convolutions of stride 2 away from it, or
one max pooling. Then come, as in the paper, a 1x1 and a 3x3 convolution, each with LayerNorm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.models.timm_survey import timm_layers
from backbones.models.trunk import STAGE_STRIDES
from transfer.protocol.derived import SIMPLE_FEATURE_PYRAMID


@MODELS.register_module(name=SIMPLE_FEATURE_PYRAMID)
class SimpleFeaturePyramid(nn.Module):
    """Maps at strides 4, 8, 16 and 32 from a single one, and coarser ones by subsampling.

    Args:
        in_channels: Of the map.
        stride: Of the map, in pixels; a power of two.
        out_channels: Of every level.
        num_outs: Levels in all; each after the first four takes every second position of the one before, which is what
            mmdetection's FPN does for the RPN.
    """

    def __init__(self, in_channels: int, stride: int, out_channels: int = 256, num_outs: int = 4) -> None:
        super().__init__()
        self.further = num_outs - len(STAGE_STRIDES)
        self.levels = nn.ModuleList(_level(in_channels, stride, each, out_channels) for each in STAGE_STRIDES)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """From one map (N, in_channels, H, W), ``num_outs`` of (N, out_channels, ., .), the finest first."""
        (grid,) = maps
        levels = [level(grid) for level in self.levels]
        for _ in range(self.further):
            levels.append(F.max_pool2d(levels[-1], 1, stride=2))
        return tuple(levels)


def _level(channels: int, stride: int, wanted: int, out_channels: int) -> nn.Sequential:
    norm: Any = timm_layers().LayerNorm2d
    steps: list[nn.Module] = []
    while stride > wanted:
        steps += [norm(channels), nn.GELU()] if steps else []
        steps.append(nn.ConvTranspose2d(channels, channels // 2, 2, stride=2))
        channels, stride = channels // 2, stride // 2
    if stride < wanted:
        steps.append(nn.MaxPool2d(wanted // stride))
    for size in (1, 3):
        steps += [nn.Conv2d(channels, out_channels, size, padding=size // 2, bias=False), norm(out_channels)]
        channels = out_channels
    return nn.Sequential(*steps)
