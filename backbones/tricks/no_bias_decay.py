"""No bias decay (Section 3.1): weight decay on the weights of convolutions and fully connected layers, on nothing else.

Weight decay pulls towards 0. That regularises a weight matrix; a bias, or BatchNorm's gamma and beta, it displaces.

=========  ==========================================================================================================
formula    decay(p) = weight decay if p is the weight of a convolution or a linear layer, else 0
default    on in the "efficient" recipes, off in ``b-standard``, which decays every parameter
cost       none
paper      ResNet-50 top-1, Table 4: 76.19 -> 76.16 at batch 256, 76.37 -> 76.03 at batch 1024: taken alone, it does not
           help there
elsewhere  timm does it by default and goes by the number of dimensions (everything 1-dimensional is spared); GluonCV
           ``--no-wd``; torchvision ``--norm-weight-decay`` and ``--bias-weight-decay``; mmengine ``paramwise_cfg``
=========  ==========================================================================================================
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd

from backbones.tricks.trick import Trick


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Optimizer groups: decayed convolution and linear weights first, every other trainable parameter undecayed."""
    decayed = {id(module.weight) for module in model.modules() if isinstance(module, (_ConvNd, nn.Linear))}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if id(p) in decayed], "weight_decay": weight_decay},
        {"params": [p for p in parameters if id(p) not in decayed], "weight_decay": 0.0},
    ]


TRICK = Trick(
    field="no_bias_decay", parameter_groups=lambda model, weight_decay, _: parameter_groups(model, weight_decay)
)
