"""The networks by name: the paper's, and any of timm's as ``timm:NAME``.

To add one: a ``Trunk`` subclass in a file of its own, and its names here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from backbones.errors import UserError, did_you_mean
from backbones.models.classifier import Classifier
from backbones.models.inception import InceptionV3
from backbones.models.mobilenet import MobileNetV1
from backbones.models.resnet import LAYOUTS, VARIANTS, ResNet
from backbones.models.timm_survey import TIMM_PREFIX, timm_configuration, timm_name
from backbones.models.timm_trunk import TimmClassifier, TimmTrunk
from backbones.models.trunk import CLASSIFICATION_STRIDE, FeatureInfo, Trunk, UndilatedError, pyramid
from backbones.tricks.zero_gamma import zero_last_gamma

__all__ = [
    "CLASSIFICATION_STRIDE",
    "TIMM_PREFIX",
    "Classifier",
    "FeatureInfo",
    "Trunk",
    "UndilatedError",
    "check_network",
    "create_backbone",
    "create_classifier",
    "default_image_size",
    "initialisation",
    "list_backbones",
    "pyramid",
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
        raise UserError(f"unknown network {name!r}: {hint}known are {', '.join(_NETWORKS)}, and timm's as timm:NAME")
    return _NETWORKS[name]


def list_backbones() -> list[str]:
    """The project's own names that ``create_backbone`` knows; it also knows ``timm:NAME``."""
    return list(_NETWORKS)


def check_network(name: str) -> None:
    """Nothing is built.

    Raises:
        UserError: Unknown name.
    """
    if name.startswith(TIMM_PREFIX):
        timm_name(name)
    else:
        _find(name)


def initialisation(name: str) -> str:
    """How an untrained network starts, in words."""
    return "timm's own initialisation" if name.startswith(TIMM_PREFIX) else "Xavier initialisation"


def default_image_size(name: str) -> int:
    """Side in pixels of the square images the network is trained on in the paper, or that timm has it for.

    Raises:
        UserError: Unknown name.
    """
    if name.startswith(TIMM_PREFIX):
        return int(timm_configuration(name).input_size[-1])
    return _find(name)[0].default_image_size


def create_backbone(
    name: str,
    output_stride: int = CLASSIFICATION_STRIDE,
    zero_gamma: bool = False,
    out_indices: Sequence[int] | None = None,
    padded: bool = False,
    drop_path: float = 0.0,
    grad_checkpointing: bool = False,
) -> Trunk:
    """Build a trunk with weights drawn from torch's global generator: Xavier's way, and timm's own for its networks.

    Args:
        name: One of ``list_backbones()``, or ``timm:NAME``.
        output_stride: Stride of the last stage: 32, or 16 or 8 with dilation in place of the last strides.
        zero_gamma: Start every residual block as the identity (Section 3.1).
        out_indices: Stages that ``forward`` returns; None: all.
        padded: Maps of ceil(image / stride) positions, aligned at the first pixel, as detectors and segmentors need
            them. Inception-V3 has others in classification; the tensors are the same.
        drop_path: As ``TimmTrunk`` has it, as is grad_checkpointing.

    Raises:
        UserError: Unknown name, an output stride, stage or option the network does not have, or zero gamma without
            residual blocks.
    """
    if name.startswith(TIMM_PREFIX):
        trunk: Trunk = TimmTrunk(
            name, output_stride, out_indices, drop_path=drop_path, grad_checkpointing=grad_checkpointing
        )
    else:
        _refuse_timm_options(name, drop_path, grad_checkpointing)
        network, arguments = _find(name)
        options: dict[str, Any] = {"output_stride": output_stride}
        if out_indices is not None:
            options["out_indices"] = out_indices
        if not network.padded:
            options["padded"] = padded
        trunk = network(*arguments, **options)
    if zero_gamma:
        zero_last_gamma(trunk)
    return trunk


def _refuse_timm_options(name: str, drop_path: float, grad_checkpointing: bool) -> None:
    asked = [
        option for option, value in (("drop path", drop_path), ("grad checkpointing", grad_checkpointing)) if value
    ]
    if asked:
        raise UserError(f"{name} has no {asked[0]}, timm's networks have ({TIMM_PREFIX}NAME); leave it out")


def create_classifier(
    name: str,
    num_classes: int,
    zero_gamma: bool = False,
    auxiliary: bool = False,
    drop_path: float = 0.0,
    grad_checkpointing: bool = False,
) -> Classifier:
    """Build trunk, pooling and head; the trunk returns only the stages that the heads look at.

    Args:
        name: One of ``list_backbones()``, or ``timm:NAME``.
        num_classes: Outputs of the head.
        zero_gamma: Start every residual block as the identity (Section 3.1).
        auxiliary: Add the network's auxiliary head.
        drop_path: As ``TimmTrunk`` has it, as is grad_checkpointing.

    Raises:
        UserError: Unknown name, zero gamma without residual blocks, or a network without auxiliary head.
    """
    if name.startswith(TIMM_PREFIX):
        if auxiliary:
            raise UserError(f"{name} has no auxiliary head, only inception_v3 has one; switch it off")
        return _timm_classifier(name, num_classes, zero_gamma, drop_path, grad_checkpointing)
    _refuse_timm_options(name, drop_path, grad_checkpointing)
    head_class = _find(name)[0].auxiliary_head
    if auxiliary and head_class is None:
        raise UserError(f"{name} has no auxiliary head, only inception_v3 has one; switch it off")
    trunk = create_backbone(name, zero_gamma=zero_gamma)
    last = len(trunk.feature_info) - 1
    trunk.out_indices = (last - 1, last) if auxiliary else (last,)
    aux_head = head_class(trunk.feature_info[-2].channels, num_classes) if auxiliary and head_class else None
    return Classifier(trunk, num_classes, aux_head)


def _timm_classifier(
    name: str, num_classes: int, zero_gamma: bool, drop_path: float, grad_checkpointing: bool
) -> Classifier:
    trunk = TimmTrunk(name, num_classes=num_classes, drop_path=drop_path, grad_checkpointing=grad_checkpointing)
    trunk.out_indices = (len(trunk.feature_info) - 1,)
    if zero_gamma:
        zero_last_gamma(trunk)
    return TimmClassifier(trunk, name)
