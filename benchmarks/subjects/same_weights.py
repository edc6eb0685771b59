"""One set of weights in OpenMMLab's ResNet and in this project's."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from backbones.external.keys import key_table
from transfer.openmmlab.trunk import RANDOM_PREFIX, open_bundle

_BACKBONE = "backbone."


def save_stock(model: nn.Module, path: Path, network: str) -> None:
    """Give a model of mmdet's or mmsegmentation's this project's random trunk, and write all of its tensors.

    ``network`` is this project's name of the trunk. What ours is built from is thus what it is then given: its proofs,
    that what is held fixed stayed as it was, hold.
    """
    table, trunk = key_table(network), open_bundle(f"{RANDOM_PREFIX}{network}", 0).tensors
    state = model.state_dict()
    for name in state:
        if name.startswith(_BACKBONE):
            state[name] = trunk[_our_name(name, table).replace(_BACKBONE, "trunk.", 1)]
    model.load_state_dict(state)
    torch.save(state, path)


def load_stock(model: nn.Module, path: Path) -> None:
    """Load what ``save_stock`` has written into such a model."""
    model.load_state_dict(torch.load(path, weights_only=True))


def load_ours(model: nn.Module, path: Path, network: str) -> None:
    """Load it into this project's: parts other than the backbone are the same classes, and have the same names."""
    model.load_state_dict(translated(torch.load(path, weights_only=True), network))


def translated(tensors: dict[str, Tensor], network: str) -> dict[str, Tensor]:
    """A state of OpenMMLab's model by this project's names."""
    table = key_table(network)
    return {_our_name(name, table): value for name, value in tensors.items()}


def _our_name(name: str, table: dict[str, str | None]) -> str:
    if not name.startswith(_BACKBONE):
        return name
    inner = name.removeprefix(_BACKBONE)
    # mmsegmentation's deep stem is one sequence; timm's, which the table knows, leaves its last BatchNorm outside.
    inner = re.sub(r"^stem\.7\.", "bn1.", inner)
    inner = re.sub(r"^stem\.", "conv1.", inner)
    ours = table[inner]
    assert ours is not None
    return _BACKBONE + ours.removeprefix("trunk.")
