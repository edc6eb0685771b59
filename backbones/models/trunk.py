"""What every trunk offers, whichever network it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from backbones.errors import UserError
from backbones.models.convolution import Convolution
from backbones.models.resampling import lay_on_grid


@dataclass(frozen=True)
class FeatureInfo:
    """One stage of a trunk: its name, its number of channels, and its stride relative to the input in pixels."""

    name: str
    channels: int
    stride: int


@dataclass(frozen=True)
class Geometry:
    """Stride of a stage's first block, and dilation of its convolutions up to and after the one that strides.

    The two differ where a dilation stands for the block's stride: the convolution that would stride still reads its
    input as the stage before it left it. The other blocks of the stage have stride 1 and ``dilation``.
    """

    stride: int
    dilation_in: int
    dilation: int


STAGE_STRIDES = (4, 8, 16, 32)
OUTPUT_STRIDES = (8, 16, 32)
CLASSIFICATION_STRIDE = 32


class UndilatedError(UserError):
    """The network cannot put dilation in place of its last strides."""


def stage_geometry(output_stride: int, stem_stride: int = 4) -> list[Geometry]:
    """Geometry of the four stages.

    From the output stride on, strides become dilations, so that the dense network computes at every position what the
    strided one computes at some.

    Args:
        output_stride: Stride of the last stage: 8, 16 or 32.
        stem_stride: Stride of what the first stage reads.

    Raises:
        UserError: The output stride is none of these.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise UserError(f"output_stride={output_stride}: the network offers 8, 16 and 32")
    stages = []
    total_stride, dilation = stem_stride, 1
    for nominal_stride in STAGE_STRIDES:
        if total_stride * dilation == nominal_stride:
            stages.append(Geometry(1, dilation, dilation))
        elif total_stride < output_stride:
            total_stride *= 2
            stages.append(Geometry(2, dilation, dilation))
        else:
            stages.append(Geometry(1, dilation, 2 * dilation))
            dilation *= 2
    return stages


class Trunk(nn.Module):
    """A convolutional network without pooling and classifier.

    The same object, with the same parameter names, runs inside the classifier, the detector and the segmentor.
    Subclasses set ``feature_info`` (all stages, in order), ``stem_modules`` and ``stage_modules`` (names of
    attributes); where they are not the rule they also set

    - ``padded``: whether maps measure ceil(image / stride) and are aligned at the first pixel. A class that says no can
      be built either way, with the same tensors, and takes an argument ``padded``;
    - ``smallest_image``: the shortest image side in pixels that leaves something of every map;
    - ``default_image_size``: side in pixels of the square images the network is trained on;
    - ``head_dropout``: probability of dropout before a classifier;
    - ``auxiliary_head``: class of a second classifier, built from (channels, classes), fed by the last stage but one;
      it has a ``smallest_image`` of its own;
    - ``only_image``: side in pixels of the only images that it takes, or None;
    - ``levels``: indices of the stages that stand for the strides 4, 8, 16 and 32 (``pyramid``);
    - ``left_behind``: by the name of a tensor of the classifier's trunk, why this trunk has no such tensor, or has one
      of its own in its place;
    - ``fixed``: names of its tensors that no training changes, BatchNorm's statistics apart;
    - ``undecayed``: names of parameters of more than one dimension that weight decay is kept from.

    Args:
        out_indices: Stages that ``forward`` returns, counted from 0.

    Raises:
        UserError: ``out_indices`` names a stage that does not exist.
    """

    feature_info: list[FeatureInfo]
    stem_modules: tuple[str, ...]
    stage_modules: tuple[str, ...] = ("stage1", "stage2", "stage3", "stage4")
    padded: bool = True
    smallest_image: int = 32
    default_image_size: int = 224
    head_dropout: float = 0.0
    auxiliary_head: type[nn.Module] | None = None
    only_image: int | None = None
    levels: tuple[int, ...] = (0, 1, 2, 3)
    left_behind: Mapping[str, str] = MappingProxyType({})
    fixed: frozenset[str] = frozenset()
    undecayed: frozenset[str] = frozenset()

    def __init__(self, out_indices: Sequence[int]) -> None:
        super().__init__()
        wrong = [index for index in out_indices if index not in range(len(self.stage_modules))]
        if wrong or not out_indices:
            raise UserError(f"out_indices={tuple(out_indices)}: stages run from 0 to {len(self.stage_modules) - 1}")
        self.out_indices = tuple(out_indices)
        self.grid_stride: int | None = None  # of all that is returned, in pixels; None: each map's own
        self.frozen_stages = -1
        self.norm_eval = False

    def stages(self, x: Tensor) -> list[Tensor]:
        """Feature maps of stages 0 .. max(out_indices), each (N, channels, ceil(H / stride), ceil(W / stride)).

        A trunk that is not ``padded`` has slightly smaller ones.
        """
        for name in self.stem_modules:
            x = getattr(self, name)(x)
        maps = []
        for name in self.stage_modules[: max(self.out_indices) + 1]:
            x = getattr(self, name)(x)
            maps.append(x)
        return maps

    def forward(self, x: Tensor) -> list[Tensor]:
        """Feature maps of the stages in ``out_indices`` for images (N, 3, H, W) in the trunk's own normalisation."""
        return self.returned(self.stages(x), x)

    def returned(self, maps: Sequence[Tensor], images: Tensor) -> list[Tensor]:
        """Of the maps of all stages those that ``forward`` returns, at the stride that is asked for, if one is."""
        height, width = images.shape[2:]
        return [
            lay_on_grid(maps[index], own := self.feature_info[index].stride, self.grid_stride or own, height, width)
            for index in self.out_indices
        ]

    def freeze(self, frozen_stages: int = -1, norm_eval: bool = False) -> Trunk:
        """Hold parts of the trunk fixed while a detector or segmentor trains, with OpenMMLab's meaning of both words.

        Args:
            frozen_stages: -1 freezes nothing, 0 the stem, k the stem and the first k stages: no gradients, and
                BatchNorm uses and keeps its running statistics.
            norm_eval: Every BatchNorm uses and keeps its running statistics; its gamma and beta still train.

        Raises:
            UserError: ``frozen_stages`` is outside -1 .. number of stages.
        """
        if frozen_stages not in range(-1, len(self.stage_modules) + 1):
            raise UserError(f"frozen_stages={frozen_stages}: allowed are -1 to {len(self.stage_modules)}")
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        for name, parameter in self.named_parameters():
            if self.stage_of(name) <= frozen_stages:
                parameter.requires_grad_(False)
        return self.train(self.training)

    def stage_of(self, tensor: str) -> int:
        """The stage that one of its parameters or buffers belongs to, counted from 1; 0 is the stem."""
        first = tensor.partition(".")[0]
        return self.stage_modules.index(first) + 1 if first in self.stage_modules else 0

    def why_not(self, image_size: int) -> str | None:
        """Why it cannot take square images of that side in pixels; None if it can."""
        if self.only_image and image_size != self.only_image:
            return f"takes images of {self.only_image} pixels alone"
        return f"needs {self.smallest_image} pixels or more" if image_size < self.smallest_image else None

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        names = (*self.stem_modules, *self.stage_modules[: self.frozen_stages])
        return [getattr(self, name) for name in names]

    def train(self, mode: bool = True) -> Trunk:
        """As in ``nn.Module``, except that frozen parts stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    @property
    def output_stride(self) -> int:
        """What it was built with: 32 in classification geometry, else the stride of its last stage in pixels."""
        return self.feature_info[-1].stride


def pyramid(features: Sequence[FeatureInfo]) -> tuple[int, ...]:
    """Of the stages in classification geometry, the last one of each of the strides 4, 8, 16 and 32 that there are."""
    strides = [each.stride for each in features]
    return tuple(len(strides) - 1 - strides[::-1].index(stride) for stride in STAGE_STRIDES if stride in strides)


def xavier_initialise(model: nn.Module) -> None:
    """Initialise as the paper's baseline does (Section 2.1): Xavier for weights, 0 for biases, BatchNorm 1 and 0.

    Xavier is uniform on [-a, a] with a = sqrt(6 / (fan_in + fan_out)). The paper describes both fans as channel counts;
    here, as in Glorot and Bengio and in MXNet's ``Xavier``, they include the kernel area. BatchNorm
    divides the scale out of the output but not out of training: a 3x3 weight that starts 3 times smaller than by
    channel counts starts with an effective learning rate 9 times larger. The outgoing fan of a depthwise convolution
    counts all channels, as if it were a full one; so does MXNet's.
    """
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, _BatchNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


KernelSize = int | tuple[int, int]


class ConvNorm(nn.Sequential):
    """Convolution without bias, BatchNorm and, if asked for, an activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd; height and width where they differ.
        stride: Of the convolution.
        dilation: Of the convolution.
        padded: Zeros around the map, so that at stride 1 its size stays.
        groups: Of the convolution; as many as channels make it depthwise.
        activation: Class of the activation, or none.
        eps: What BatchNorm adds to the variance.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: KernelSize,
        stride: int = 1,
        dilation: int = 1,
        padded: bool = True,
        groups: int = 1,
        activation: type[nn.Module] | None = nn.ReLU,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        padding = (dilation * (height - 1) // 2, dilation * (width - 1) // 2) if padded else 0
        self.conv = Convolution(
            in_channels, out_channels, (height, width), stride, padding, dilation, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels, eps)
        if activation is not None:
            self.activation = activation(inplace=True)
