"""Tables from the tensor names of public checkpoints to this project's, one module per family.

A table gives every tensor a published checkpoint of the family may hold exactly one fate: the name of a tensor of the
classifier, or None where it is dropped on purpose. torchvision and timm name the tensors of a ResNet and of
Inception-V3 alike, so one table serves both; OpenMMLab names a deep stem otherwise. A network that is timm's own has
timm's names, and EfficientNets those of EfficientNet-PyTorch besides.
"""

from __future__ import annotations

import re

from backbones.bundles.ledger import HEAD_PREFIX
from backbones.external.keys.inception import inception_table
from backbones.external.keys.mobilenet import mobilenet_table
from backbones.external.keys.resnet import OPENMMLAB_DEEP_STEM, resnet_table
from backbones.external.keys.timm import timm_heads, timm_tables
from backbones.models import TIMM_PREFIX


def key_table(architecture: str) -> dict[str, str | None]:
    """The table for one of this project's networks that public checkpoints exist of."""
    if resnet := re.fullmatch(r"resnet(\d+)_([bcd])", architecture):
        return resnet_table(int(resnet[1]), resnet[2])
    return {"inception_v3": inception_table, "mobilenet_v1_relu6": mobilenet_table}[architecture]()


def spellings(architecture: str) -> list[dict[str, str | None]]:
    """Every table that a checkpoint of a network may follow: its library's first, then other implementations'."""
    if architecture.startswith(TIMM_PREFIX):
        return timm_tables(architecture)
    tables = [key_table(architecture)]
    if resnet := re.fullmatch(r"resnet(\d+)_([cd])", architecture):
        tables.append(resnet_table(int(resnet[1]), resnet[2], OPENMMLAB_DEEP_STEM))
    return tables


def head_modules(architecture: str) -> tuple[str, ...]:
    """The layers of a classifier that end in its classes, as its own tensors are called; the first one is asked."""
    if architecture.startswith(TIMM_PREFIX):
        return timm_heads(architecture)
    return (HEAD_PREFIX.rstrip("."),)
