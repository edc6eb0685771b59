"""Inception-V3 (Szegedy et al. 2016), one of the paper's three networks (Section 4.2, Table 3): 299-pixel images.

The architecture is GluonCV's and torchvision's, which differs from the publication's Table 1 in the stem. Blocks are
lettered as in both. In classification some convolutions and pools have no padding, so maps are slightly smaller than
image / stride and begin some pixels inside the image. Detectors and segmentors, which take map positions for image
positions, can have them all padded (``padded=True``): the same tensors, maps of ceil(image / stride), position (0, 0)
at the first pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from backbones.errors import UserError
from backbones.models.trunk import (
    STAGE_STRIDES,
    ConvNorm,
    FeatureInfo,
    Geometry,
    KernelSize,
    Trunk,
    stage_geometry,
    xavier_initialise,
)

# GluonCV's and torchvision's epsilon; the publication is silent.
_conv = partial(ConvNorm, eps=1e-3)


def _chain(in_channels: int, layers: Sequence[tuple[int, KernelSize]], dilation: int = 1) -> nn.Sequential:
    """Convolutions one after the other, given as (out_channels, kernel_size)."""
    chain = nn.Sequential()
    for out_channels, kernel_size in layers:
        chain.append(_conv(in_channels, out_channels, kernel_size, dilation=dilation))
        in_channels = out_channels
    return chain


class AveragePool(nn.Module):
    """3x3 average at stride 1; the zeros around the map count, as in GluonCV and torchvision."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        """Feature map (N, C, H, W) to one of the same shape."""
        if self.dilation == 1:
            return functional.avg_pool2d(x, 3, stride=1, padding=1)
        # PyTorch's average pool does not dilate.
        kernel = x.new_full((x.shape[1], 1, 3, 3), 1 / 9)
        return functional.conv2d(x, kernel, padding=self.dilation, dilation=self.dilation, groups=x.shape[1])


def _pool_branch(in_channels: int, out_channels: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(AveragePool(dilation), _conv(in_channels, out_channels, 1))


def _max_pool(stride: int, dilation: int, padded: bool) -> nn.Module:
    if dilation == 1:
        return nn.MaxPool2d(3, stride, padding=int(padded))
    # PyTorch's pool itself pads by no more than half its kernel, however dilated.
    return nn.Sequential(nn.ConstantPad2d(dilation, float("-inf")), nn.MaxPool2d(3, stride, dilation=dilation))


class Concatenation(nn.ModuleDict):
    """Branches that read the same map, their outputs joined along the channels in the order given."""

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Feature map (N, in_channels, H, W) to (N, sum of the branches' channels, ...)."""
        return torch.cat([branch(x) for branch in self.values()], dim=1)


class BlockA(Concatenation):
    """1x1, 5x5, two 3x3 and an average pool, at stride 8: 224 + ``pool_channels`` channels."""

    def __init__(self, in_channels: int, pool_channels: int) -> None:
        super().__init__(
            {
                "conv1": _conv(in_channels, 64, 1),
                "conv5": _chain(in_channels, [(48, 1), (64, 5)]),
                "conv3_twice": _chain(in_channels, [(64, 1), (96, 3), (96, 3)]),
                "pool": _pool_branch(in_channels, pool_channels),
            }
        )


class BlockB(Concatenation):
    """From stride 8 to 16: 3x3, two 3x3 and a max-pool: 480 channels more than it reads."""

    def __init__(self, in_channels: int, geometry: Geometry, padded: bool) -> None:
        stride, dilation = geometry.stride, geometry.dilation_in
        twice = _chain(in_channels, [(64, 1), (96, 3)], dilation)
        twice.append(_conv(96, 96, 3, stride, dilation, padded))
        super().__init__(
            {
                "conv3": _conv(in_channels, 384, 3, stride, dilation, padded),
                "conv3_twice": twice,
                "pool": _max_pool(stride, dilation, padded),
            }
        )


class BlockC(Concatenation):
    """1x1, 7x7, two 7x7 and an average pool, each 7x7 as a row and a column, at stride 16: 768 channels."""

    def __init__(self, in_channels: int, width: int, dilation: int) -> None:
        row, column = (1, 7), (7, 1)
        once: list[tuple[int, KernelSize]] = [(width, 1), (width, row), (192, column)]
        twice: list[tuple[int, KernelSize]] = [(width, 1), (width, column), (width, row), (width, column), (192, row)]
        super().__init__(
            {
                "conv1": _conv(in_channels, 192, 1),
                "conv7": _chain(in_channels, once, dilation),
                "conv7_twice": _chain(in_channels, twice, dilation),
                "pool": _pool_branch(in_channels, 192, dilation),
            }
        )


class BlockD(Concatenation):
    """From stride 16 to 32: 3x3, 7x7 with 3x3, and a max-pool: 512 channels more than it reads."""

    def __init__(self, in_channels: int, geometry: Geometry, padded: bool) -> None:
        stride, dilation = geometry.stride, geometry.dilation_in
        small = _chain(in_channels, [(192, 1)])
        small.append(_conv(192, 320, 3, stride, dilation, padded))
        large = _chain(in_channels, [(192, 1), (192, (1, 7)), (192, (7, 1))], dilation)
        large.append(_conv(192, 192, 3, stride, dilation, padded))
        super().__init__({"conv3": small, "conv7_conv3": large, "pool": _max_pool(stride, dilation, padded)})


class BlockE(Concatenation):
    """1x1, 3x3, two 3x3 and an average pool at stride 32, the last 3x3 a row beside a column: 2048 channels."""

    def __init__(self, in_channels: int, dilation: int) -> None:
        once = _chain(in_channels, [(384, 1)])
        twice = _chain(in_channels, [(448, 1), (384, 3)], dilation)
        for branch in (once, twice):
            row, column = (_conv(384, 384, kernel_size, dilation=dilation) for kernel_size in ((1, 3), (3, 1)))
            branch.append(Concatenation({"row": row, "column": column}))
        super().__init__(
            {
                "conv1": _conv(in_channels, 320, 1),
                "conv3": once,
                "conv3_twice": twice,
                "pool": _pool_branch(in_channels, 192, dilation),
            }
        )


class AuxiliaryHead(nn.Module):
    """A second classifier, on the map at stride 16, that only training looks at. It needs a map of 17 x 17 positions.

    Args:
        in_channels: Channels of the map.
        num_classes: Outputs.
    """

    smallest_image = 299

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(5, stride=3)
        self.conv1 = _conv(in_channels, 128, 1)
        self.conv2 = _conv(128, 768, 5, padded=False)
        self.fc = nn.Linear(768, num_classes)
        xavier_initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) for a map (N, in_channels, H, W)."""
        return self.fc(self.conv2(self.conv1(self.pool(x))).mean(dim=(2, 3)))


class InceptionV3(Trunk):
    """The trunk of Inception-V3: three convolutions and a max-pool, then stages at strides 4, 8, 16 and 32.

    Args:
        output_stride: 32; padded also 16 or 8, which put dilation in place of the last strides.
        out_indices: Stages that ``forward`` returns.
        padded: Pad every convolution and pool, for detection and segmentation.

    Raises:
        UserError: An output stride that this geometry does not offer, or a stage that does not exist.
    """

    stem_modules = ("stem",)
    padded = False
    smallest_image = 75
    default_image_size = 299
    # GluonCV's value; the ResNet paper is silent.
    head_dropout = 0.5
    auxiliary_head = AuxiliaryHead

    def __init__(
        self, output_stride: int = 32, out_indices: Sequence[int] = (0, 1, 2, 3), padded: bool = False
    ) -> None:
        super().__init__(out_indices)
        if output_stride != 32 and not padded:
            raise UserError(
                f"output_stride={output_stride}: InceptionV3 offers 32, and with padded=True also 16 and 8; dilation "
                "needs maps that are aligned with the image"
            )
        _, _, third, fourth = stage_geometry(output_stride)
        self.padded = padded
        if padded:
            self.smallest_image = Trunk.smallest_image
        self.stem = nn.Sequential(
            _conv(3, 32, 3, stride=2, padded=padded),
            _conv(32, 32, 3, padded=padded),
            _conv(32, 64, 3),
            _max_pool(2, 1, padded),
        )
        self.stage1 = nn.Sequential(_conv(64, 80, 1), _conv(80, 192, 3, padded=padded))
        self.stage2 = nn.Sequential(_max_pool(2, 1, padded), BlockA(192, 32), BlockA(256, 64), BlockA(288, 64))
        self.stage3 = nn.Sequential(
            BlockB(288, third, padded), *(BlockC(768, width, third.dilation) for width in (128, 160, 160, 192))
        )
        self.stage4 = nn.Sequential(
            BlockD(768, fourth, padded), BlockE(1280, fourth.dilation), BlockE(2048, fourth.dilation)
        )
        self.feature_info = [
            FeatureInfo(name, channels, min(stride, output_stride))
            for name, channels, stride in zip(self.stage_modules, (192, 288, 768, 2048), STAGE_STRIDES, strict=True)
        ]
        xavier_initialise(self)
