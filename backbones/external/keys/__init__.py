"""Tables from the tensor names of public checkpoints to this project's, one module per family.

A table gives every tensor a published checkpoint of the family may hold exactly one fate: the name of a tensor of the
classifier, or None where it is dropped on purpose. torchvision and timm name the tensors of a ResNet and of
Inception-V3 alike, so one table serves both.
"""

from __future__ import annotations

import re

from backbones.external.keys.inception import inception_table
from backbones.external.keys.mobilenet import mobilenet_table
from backbones.external.keys.resnet import resnet_table


def key_table(architecture: str) -> dict[str, str | None]:
    """The table for one of this project's networks that public checkpoints exist of."""
    if resnet := re.fullmatch(r"resnet(\d+)_([bcd])", architecture):
        return resnet_table(int(resnet[1]), resnet[2])
    return {"inception_v3": inception_table, "mobilenet_v1_relu6": mobilenet_table}[architecture]()
