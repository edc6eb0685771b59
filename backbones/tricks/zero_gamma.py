"""Zero gamma (Section 3.1): every residual block starts as the identity.

A block ends in ``x + gamma * normalised(path A)``. With gamma = 0 in its last BatchNorm it returns its shortcut, so at
the start the network behaves like a shallower one and its gradients are tame at large learning rates.

=========  ==========================================================================================================
formula    gamma of the last BatchNorm of each residual block = 0; every other gamma = 1
default    on in the "efficient" recipes, off in ``b-standard``
cost       none
paper      ResNet-50 top-1, Table 4: 76.03 -> 76.19 at batch 256, 75.93 -> 76.37 at batch 1024
elsewhere  timm ``zero_init_last`` (on by default), torchvision ``zero_init_residual`` (off), GluonCV ``last_gamma``
=========  ==========================================================================================================
"""

from __future__ import annotations

from torch import nn

from backbones.errors import UserError
from backbones.tricks.trick import Trick


def zero_last_gamma(trunk: nn.Module) -> int:
    """Set gamma to 0 in the last BatchNorm of each residual block, and return how many blocks there are.

    A residual block is a module with an attribute ``last_norm``.

    Raises:
        UserError: The network has no residual blocks, so that the trick has no meaning for it.
    """
    blocks = [module for module in trunk.modules() if hasattr(module, "last_norm")]
    if not blocks:
        raise UserError(
            f"zero gamma needs residual blocks and {type(trunk).__name__} has none; add --without zero-gamma, or take "
            f"a recipe that is without it, such as smooth in place of d-smooth"
        )
    for block in blocks:
        nn.init.zeros_(block.get_parameter("last_norm.weight"))
    return len(blocks)


TRICK = Trick(field="zero_gamma", initialise=lambda trunk, _: zero_last_gamma(trunk))
