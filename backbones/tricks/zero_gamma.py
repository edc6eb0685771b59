"""Zero gamma (Section 3.1): every residual block starts as the identity.

A block ends in ``x + gamma * normalised(path A)``. With gamma = 0 in its last BatchNorm it returns its shortcut, so at
the start the network behaves like a shallower one and its gradients are tame at large learning rates.

=========  ==========================================================================================================
formula    gamma of the last BatchNorm of each residual block = 0; every other gamma = 1
default    on in the "efficient" recipes, off in ``b-standard``
cost       none
paper      ResNet-50 top-1, Table 4: 76.03 -> 76.19 at batch 256, 75.93 -> 76.37 at batch 1024
elsewhere  timm ``zero_init_last`` (on by default; for its networks here, too, the recipe decides), torchvision
           ``zero_init_residual`` (off), GluonCV ``last_gamma``
=========  ==========================================================================================================
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from backbones.errors import UserError
from backbones.tricks.trick import Trick


def residual_blocks(trunk: nn.Module) -> list[nn.Module]:
    """Those with a last BatchNorm: ``last_norm`` in the paper's networks, what ``zero_init_last`` sets in timm's."""
    return [module for module in trunk.modules() if hasattr(module, "last_norm") or hasattr(module, "zero_init_last")]


def zero_last_gamma(trunk: nn.Module) -> int:
    """Set gamma to 0 in the last BatchNorm of each residual block, and return how many blocks there are.

    Raises:
        UserError: The network has no residual blocks, so that the trick has no meaning for it.
    """
    blocks = residual_blocks(trunk)
    if not blocks:
        raise UserError(
            f"zero gamma needs residual blocks and {getattr(trunk, 'network', type(trunk).__name__)} has none; add "
            "--without zero-gamma, or take a recipe that is without it, such as smooth in place of d-smooth"
        )
    for block in blocks:
        _zero(block)
    return len(blocks)


@torch.no_grad()
def undo_zero_last_gamma(trunk: nn.Module) -> None:
    """Set those gammas to 1: some of timm's networks begin with 0 whatever the recipe says."""
    for block in residual_blocks(trunk):
        vectors = [each for each in block.parameters() if each.dim() == 1]
        before = [each.clone() for each in vectors]
        for vector in vectors:
            vector.fill_(1)
        _zero(block)
        for vector, value in zip(vectors, before, strict=True):
            vector.copy_(value if vector.any() else torch.ones_like(vector))


def _zero(block: Any) -> None:
    if hasattr(block, "last_norm"):
        nn.init.zeros_(block.last_norm.weight)
    else:
        block.zero_init_last()


TRICK = Trick(field="zero_gamma", initialise=lambda trunk, _: zero_last_gamma(trunk))
