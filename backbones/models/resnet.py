"""ResNet and its B, C and D tweaks (Section 4, Figures 1 and 2, Table 5).

``resnet{18,34,50,101,152}_{a,b,c,d}``; the tweaks are cumulative, as in the paper:

=  ==========================================================================================================
a  original: a bottleneck block downsamples in its first 1x1 convolution
b  a bottleneck block downsamples in its 3x3 convolution (76.21 -> 76.66 top-1 for ResNet-50, Table 5)
c  b, and three 3x3 convolutions (32, 32, 64 channels, the first with stride 2) for the 7x7 stem (-> 76.87)
d  c, and the shortcut downsamples by 2x2 average pooling before its 1x1 convolution (-> 77.16)
=  ==========================================================================================================

Basic blocks (ResNet-18 and 34) have no 1x1 convolution to take the stride off, so their ``a`` and ``b`` are the same
network. ResNet-C's text, read literally, strides twice in the stem; Figure 2b and the authors' code stride once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from backbones.models.trunk import ConvNorm, FeatureInfo, Geometry, Trunk, stage_geometry, xavier_initialise


@dataclass(frozen=True)
class Tweaks:
    """The three changes of Section 4."""

    stride_in_3x3: bool
    deep_stem: bool
    pooled_shortcut: bool


VARIANTS = {
    "a": Tweaks(stride_in_3x3=False, deep_stem=False, pooled_shortcut=False),
    "b": Tweaks(stride_in_3x3=True, deep_stem=False, pooled_shortcut=False),
    "c": Tweaks(stride_in_3x3=True, deep_stem=True, pooled_shortcut=False),
    "d": Tweaks(stride_in_3x3=True, deep_stem=True, pooled_shortcut=True),
}


def _shortcut(in_channels: int, out_channels: int, stride: int, tweaks: Tweaks) -> nn.Module:
    """Path B of a residual block: identity, or a projection where the shape changes."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if not tweaks.pooled_shortcut or stride == 1:
        return ConvNorm(in_channels, out_channels, 1, stride, activation=None)
    # ceil_mode and count_include_pad as in GluonCV: odd sizes keep their border, unpadded.
    pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
    projection = ConvNorm(in_channels, out_channels, 1, activation=None)
    # The parameter names are the plain projection's: at output stride 8 the same tensors load into a block that does
    # not pool.
    return nn.Sequential(OrderedDict(pool=pool, conv=projection.conv, norm=projection.norm))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (ResNet-18 and 34)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, geometry: Geometry, tweaks: Tweaks) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, width, 3, geometry.stride, geometry.dilation_in)
        self.conv2 = ConvNorm(width, width, 3, dilation=geometry.dilation, activation=None)
        self.shortcut = _shortcut(in_channels, width, geometry.stride, tweaks)
        self.activation = nn.ReLU(inplace=True)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The BatchNorm that ends path A: the one whose gamma the zero-gamma trick sets to 0."""
        return self.conv2.norm

    def forward(self, x: Tensor) -> Tensor:
        """Feature map (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        return self.activation(self.conv2(self.conv1(x)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut (ResNet-50, 101 and 152)."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, geometry: Geometry, tweaks: Tweaks) -> None:
        super().__init__()
        if tweaks.stride_in_3x3:
            self.conv1 = ConvNorm(in_channels, width, 1)
            self.conv2 = ConvNorm(width, width, 3, geometry.stride, geometry.dilation_in)
        else:
            self.conv1 = ConvNorm(in_channels, width, 1, geometry.stride)
            self.conv2 = ConvNorm(width, width, 3, dilation=geometry.dilation)
        self.conv3 = ConvNorm(width, self.expansion * width, 1, activation=None)
        self.shortcut = _shortcut(in_channels, self.expansion * width, geometry.stride, tweaks)
        self.activation = nn.ReLU(inplace=True)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The BatchNorm that ends path A: the one whose gamma the zero-gamma trick sets to 0."""
        return self.conv3.norm

    def forward(self, x: Tensor) -> Tensor:
        """Feature map (N, in_channels, H, W) to (N, 4 * width, H / stride, W / stride)."""
        return self.activation(self.conv3(self.conv2(self.conv1(x))) + self.shortcut(x))


LAYOUTS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
WIDTHS = (64, 128, 256, 512)


def _stem(tweaks: Tweaks) -> nn.Module:
    if not tweaks.deep_stem:
        return ConvNorm(3, 64, 7, stride=2)
    return nn.Sequential(ConvNorm(3, 32, 3, stride=2), ConvNorm(32, 32, 3), ConvNorm(32, 64, 3))


class ResNet(Trunk):
    """The trunk of a ResNet: stem, max-pool and four stages at strides 4, 8, 16 and 32.

    Args:
        depth: 18, 34, 50, 101 or 152.
        variant: "a", "b", "c" or "d".
        output_stride: 32 for classification; 16 or 8 put dilation in place of the last strides. D's shortcut then loses
            its average pool with its stride, as in GluonCV and mmsegmentation; everything else is computed as before,
            at more positions.
        out_indices: Stages that ``forward`` returns.

    Raises:
        UserError: An output stride or stage that does not exist.
    """

    stem_modules = ("stem", "pool")

    def __init__(
        self,
        depth: int,
        variant: str,
        output_stride: int = 32,
        out_indices: Sequence[int] = (0, 1, 2, 3),
    ) -> None:
        super().__init__(out_indices)
        block, counts = LAYOUTS[depth]
        tweaks = VARIANTS[variant]
        self.stem = _stem(tweaks)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.feature_info = []
        channels, total_stride = 64, 4
        for name, width, count, first in zip(
            self.stage_modules, WIDTHS, counts, stage_geometry(output_stride), strict=True
        ):
            rest = Geometry(1, first.dilation, first.dilation)
            blocks = []
            for geometry in [first] + [rest] * (count - 1):
                blocks.append(block(channels, width, geometry, tweaks))
                channels = block.expansion * width
            setattr(self, name, nn.Sequential(*blocks))
            total_stride *= first.stride
            self.feature_info.append(FeatureInfo(name, channels, total_stride))
        xavier_initialise(self)
