"""Learning rates that fall from the heads to the stem: layer-wise decay, as ``constructor`` of an optimizer.

Introduced for fine-tuning with ELECTRA (Clark et al. 2020, arXiv 2003.10555), and what BEiT, MAE, ConvNeXt and ViTDet
are fine-tuned with. Heads and neck have the full rate; every stage of the trunk has that of the next one times
``layer_decay``, the stem the least. A plain transformer's stages are its blocks, as in ViTDet; those of other networks
are as in ConvNeXt's transfers (OpenMMLab's ``stage_wise``). Weights of one dimension (norms, biases) and what timm says
of the network (position embeddings, tokens) have no weight decay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from backbones.errors import UserError
from backbones.models import Trunk
from transfer.openmmlab.trunk import RoIStage

NAME = "LayerDecayConstructor"
_KEY = "layer_decay"


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(name=NAME)
class LayerDecayConstructor(DefaultOptimWrapperConstructor):
    """``paramwise_cfg`` holds ``layer_decay`` alone: above 0, at most 1.

    Raises:
        UserError: It does not.
    """

    def _validate_cfg(self) -> None:
        super()._validate_cfg()
        rate = self.paramwise_cfg.get(_KEY)
        if set(self.paramwise_cfg) != {_KEY} or not (isinstance(rate, (int, float)) and 0 < rate <= 1):
            raise UserError(
                f"optim_wrapper.paramwise_cfg is {dict(self.paramwise_cfg)} where constructor={NAME!r} reads "
                f"dict({_KEY}=…), a number above 0 and at most 1, and nothing else"
            )

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, *_: Any, **__: Any) -> None:
        """Append the groups of a whole model; the first has the full learning rate, which logs show.

        Raises:
            UserError: A stage of the trunk is the head of regions, which the decay would not reach.
        """
        if any(isinstance(each, RoIStage) for each in module.modules()):
            raise UserError(f"optim_wrapper.constructor={NAME!r} wants a protocol with the whole trunk in its backbone")
        groups: dict[tuple[int, bool], dict[str, Any]] = {}
        for steps, decays, parameter in _described(module):
            group = groups.setdefault((steps, decays), self._group(steps, decays))
            group["params"].append(parameter)
        params.extend(groups[key] for key in sorted(groups, key=lambda key: (key[0], not key[1])))

    def _group(self, steps: int, decays: bool) -> dict[str, Any]:
        group: dict[str, Any] = {"params": [], "lr": self.base_lr * self.paramwise_cfg[_KEY] ** steps}
        if not decays:
            group["weight_decay"] = 0.0
        return group


def _described(model: nn.Module) -> Iterable[tuple[int, bool, nn.Parameter]]:
    """How many times each weight that trains has its learning rate reduced, and whether it decays."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            steps, exempt = _steps(model, name)
            yield steps, parameter.ndim > 1 and not exempt, parameter


def _steps(model: nn.Module, name: str) -> tuple[int, bool]:
    """Of a tensor of the model: stages from the heads down to its own, and whether timm spares it weight decay."""
    trunk = model.get_submodule("backbone")
    assert isinstance(trunk, Trunk)
    first, _, inner = name.partition(".")
    if first == "backbone":
        return len(trunk.stage_modules) + 1 - trunk.stage_of(inner), inner in trunk.undecayed
    return 0, False
