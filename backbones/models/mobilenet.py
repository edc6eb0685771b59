"""MobileNet-V1 (Howard et al. 2017, Table 1), one of the paper's three networks (Section 4.2, Table 3).

``mobilenet_v1`` has the full width, ``mobilenet_v1_075``, ``_050`` and ``_025`` that part of it in every layer. The
activation is ReLU, as in the MobileNet paper and GluonCV. timm's ``mobilenetv1_100`` has the same tensors and clips at
6, so weights trained there belong to ``mobilenet_v1_relu6``.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from backbones.models.trunk import ConvNorm, FeatureInfo, Trunk, stage_geometry, xavier_initialise

STEM_WIDTHS = (32, 64)
# Width and number of blocks of each stage.
STAGES = ((128, 2), (256, 2), (512, 6), (1024, 2))


class SeparableBlock(nn.Module):
    """A 3x3 convolution taken apart: each channel on its own, then all channels at each position."""

    def __init__(
        self, in_channels: int, out_channels: int, activation: type[nn.Module], stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.depthwise = ConvNorm(
            in_channels, in_channels, 3, stride, dilation, groups=in_channels, activation=activation
        )
        self.pointwise = ConvNorm(in_channels, out_channels, 1, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Feature map (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return self.pointwise(self.depthwise(x))


class MobileNetV1(Trunk):
    """The trunk of a MobileNet-V1: a convolution and 13 separable blocks, the first of them part of the stem.

    Args:
        width_multiplier: Factor on the channels of every layer.
        activation: Class of the activations.
        output_stride: 32 for classification; 16 or 8 put dilation in place of the last strides.
        out_indices: Stages that ``forward`` returns.

    Raises:
        UserError: An output stride or stage that does not exist.
    """

    stem_modules = ("stem",)

    def __init__(
        self,
        width_multiplier: float,
        activation: type[nn.Module] = nn.ReLU,
        output_stride: int = 32,
        out_indices: Sequence[int] = (0, 1, 2, 3),
    ) -> None:
        super().__init__(out_indices)
        first, channels = (int(width_multiplier * width) for width in STEM_WIDTHS)
        self.stem = nn.Sequential(
            ConvNorm(3, first, 3, stride=2, activation=activation), SeparableBlock(first, channels, activation)
        )
        self.feature_info = []
        total_stride = 2
        for name, (width, count), geometry in zip(
            self.stage_modules, STAGES, stage_geometry(output_stride, stem_stride=2), strict=True
        ):
            out_channels = int(width_multiplier * width)
            blocks = [SeparableBlock(channels, out_channels, activation, geometry.stride, geometry.dilation_in)]
            for _ in range(count - 1):
                blocks.append(SeparableBlock(out_channels, out_channels, activation, dilation=geometry.dilation))
            setattr(self, name, nn.Sequential(*blocks))
            channels = out_channels
            total_stride *= geometry.stride
            self.feature_info.append(FeatureInfo(name, channels, total_stride))
        xavier_initialise(self)
