"""The networks by name. To add one: a ``Trunk`` subclass in a file of its own, and its names here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from backbones.errors import UserError, did_you_mean
from backbones.models.classifier import Classifier
from backbones.models.inception import InceptionV3
from backbones.models.mobilenet import MobileNetV1
from backbones.models.resnet import LAYOUTS, VARIANTS, ResNet
from backbones.models.trunk import FeatureInfo, Trunk
from backbones.tricks.zero_gamma import zero_last_gamma

__all__ = [
    "Classifier",
    "FeatureInfo",
    "Trunk",
    "create_backbone",
    "create_classifier",
    "default_image_size",
    "list_backbones",
]

# Class and its leading arguments.
_NETWORKS: dict[str, tuple[type[Trunk], tuple[Any, ...]]] = {
    **{f"resnet{depth}_{variant}": (ResNet, (depth, variant)) for depth in LAYOUTS for variant in VARIANTS},
    "inception_v3": (InceptionV3, ()),
    "mobilenet_v1": (MobileNetV1, (1.0,)),
    "mobilenet_v1_075": (MobileNetV1, (0.75,)),
    "mobilenet_v1_050": (MobileNetV1, (0.5,)),
    "mobilenet_v1_025": (MobileNetV1, (0.25,)),
    "mobilenet_v1_relu6": (MobileNetV1, (1.0, nn.ReLU6)),
}


def _find(name: str) -> tuple[type[Trunk], tuple[Any, ...]]:
    if name not in _NETWORKS:
        hint = did_you_mean(name, _NETWORKS)
        raise UserError(f"unknown network {name!r}: {hint}known are {', '.join(_NETWORKS)}")
    return _NETWORKS[name]


def list_backbones() -> list[str]:
    """Names that ``create_backbone`` knows."""
    return list(_NETWORKS)


def default_image_size(name: str) -> int:
    """Side in pixels of the square images the network is trained on in the paper.

    Raises:
        UserError: Unknown name.
    """
    return _find(name)[0].default_image_size


def create_backbone(
    name: str,
    output_stride: int = 32,
    zero_gamma: bool = False,
    out_indices: Sequence[int] = (0, 1, 2, 3),
    padded: bool = False,
) -> Trunk:
    """Build a trunk with Xavier-initialised weights drawn from torch's global generator.

    Args:
        name: One of ``list_backbones()``.
        output_stride: Stride of the last stage: 32, or 16 or 8 with dilation in place of the last strides.
        zero_gamma: Start every residual block as the identity (Section 3.1).
        out_indices: Stages that ``forward`` returns.
        padded: Maps of ceil(image / stride) positions, aligned at the first pixel, as detectors and segmentors need
            them. Only Inception-V3 has others in classification; the tensors are the same.

    Raises:
        UserError: Unknown name, an output stride or stage the network does not have, or zero gamma without residual
            blocks.
    """
    network, arguments = _find(name)
    options: dict[str, Any] = {"output_stride": output_stride, "out_indices": out_indices}
    if not network.padded:
        options["padded"] = padded
    trunk = network(*arguments, **options)
    if zero_gamma:
        zero_last_gamma(trunk)
    return trunk


def create_classifier(name: str, num_classes: int, zero_gamma: bool = False, auxiliary: bool = False) -> Classifier:
    """Build trunk, pooling and head; the trunk returns only the stages that the heads look at.

    Args:
        name: One of ``list_backbones()``.
        num_classes: Outputs of the head.
        zero_gamma: Start every residual block as the identity (Section 3.1).
        auxiliary: Add the network's auxiliary head.

    Raises:
        UserError: Unknown name, zero gamma without residual blocks, or a network without auxiliary head.
    """
    head_class = _find(name)[0].auxiliary_head
    if auxiliary and head_class is None:
        raise UserError(f"{name} has no auxiliary head, only inception_v3 has one; switch it off")
    trunk = create_backbone(name, zero_gamma=zero_gamma)
    last = len(trunk.feature_info) - 1
    trunk.out_indices = (last - 1, last) if auxiliary else (last,)
    aux_head = head_class(trunk.feature_info[-2].channels, num_classes) if auxiliary and head_class else None
    return Classifier(trunk, num_classes, aux_head)
