"""The networks by name. To add one: a ``Trunk`` subclass in a file of its own, and its names here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial

from backbones.errors import UserError
from backbones.models.classifier import Classifier
from backbones.models.resnet import LAYOUTS, VARIANTS, ResNet
from backbones.models.trunk import FeatureInfo, Trunk

__all__ = ["Classifier", "FeatureInfo", "Trunk", "create_backbone", "create_classifier", "list_backbones"]

_BUILDERS: dict[str, Callable[..., Trunk]] = {
    f"resnet{depth}_{variant}": partial(ResNet, depth, variant) for depth in LAYOUTS for variant in VARIANTS
}


def list_backbones() -> list[str]:
    """Names that ``create_backbone`` knows."""
    return list(_BUILDERS)


def create_backbone(
    name: str,
    output_stride: int = 32,
    zero_gamma: bool = False,
    out_indices: Sequence[int] = (0, 1, 2, 3),
) -> Trunk:
    """Build a trunk with Xavier-initialised weights drawn from torch's global generator.

    Raises:
        UserError: Unknown name, or an output stride or stage the network does not have.
    """
    if name not in _BUILDERS:
        close = difflib.get_close_matches(name, _BUILDERS, n=3)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise UserError(f"unknown network {name!r}: {hint}known are {', '.join(_BUILDERS)}")
    return _BUILDERS[name](output_stride=output_stride, zero_gamma=zero_gamma, out_indices=out_indices)


def create_classifier(name: str, num_classes: int, zero_gamma: bool = False) -> Classifier:
    """Build trunk, pooling and head; the trunk returns its last stage only, which is all the head looks at.

    Raises:
        UserError: Unknown name.
    """
    trunk = create_backbone(name, zero_gamma=zero_gamma)
    trunk.out_indices = (len(trunk.feature_info) - 1,)
    return Classifier(trunk, num_classes)
