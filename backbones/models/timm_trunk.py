"""Any network of timm (Wightman 2019, https://github.com/huggingface/pytorch-image-models) as a trunk: ``timm:NAME``.

It holds timm's own model under timm's own tensor names, ``model.…``, so that neither ledger nor exchange needs a table,
and takes its maps with ``forward_intermediates``. In a classifier that model is whole, and gives the logits; in a
detector or segmentor it ends with its last map.

=============  ========================================================================================================
stages         those that timm describes: 3 to 6 of a convolutional network, every block of a plain transformer
initialisation timm's own of that network
image size     any, for transformers by their ``dynamic_img_size`` or ``strict_img_size``, where they have it
dilation       ``output_stride``, where timm's network has it
=============  ========================================================================================================
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from backbones.errors import UserError
from backbones.models.classifier import Classifier
from backbones.models.recomputation import recompute_activations
from backbones.models.timm_survey import FEW_CLASSES, Survey, build, head_prefixes, survey, take_maps
from backbones.models.trunk import CLASSIFICATION_STRIDE, Trunk, pyramid

DROPPED_HEAD = "dropped: classifier head"
DROPPED_TAIL = "dropped: after the last feature map"
_MODEL = "model."


class TimmTrunk(Trunk):
    """timm's model as a trunk.

    Args:
        network: ``timm:NAME``.
        output_stride: 32, or 16 or 8 with dilation in place of the last strides.
        out_indices: Stages that ``forward`` returns; None: all.
        num_classes: The whole model, with a head for so many classes; None leaves away what no map depends on.
        drop_path: Probability of leaving out the last block's residual branch while training; it grows from 0 in the
            first block.
        grad_checkpointing: Compute activations again in the backward pass in place of keeping them.

    Raises:
        UserError: timm does not know the network, it gives no maps, or it has no such stage or option.
        UndilatedError: It cannot be dilated so far.
    """

    model: Any  # no types come with those of timm

    def __init__(
        self,
        network: str,
        output_stride: int = CLASSIFICATION_STRIDE,
        out_indices: Sequence[int] | None = None,
        num_classes: int | None = None,
        drop_path: float = 0.0,
        grad_checkpointing: bool = False,
    ) -> None:
        facts = survey(network, output_stride)
        self.stage_modules = tuple(each.name for each in facts.features)
        super().__init__(range(len(facts.features)) if out_indices is None else out_indices)
        self.network = network
        self.feature_info = list(facts.features)
        self.levels = pyramid(survey(network).features)
        self.padded = facts.padded
        self.only_image = None if facts.any_size else facts.image_size
        self._output_stride = output_stride
        self._stages = facts.stages
        self.model = _build(network, num_classes or FEW_CLASSES, facts.options, drop_path)
        self.left_behind = {_MODEL + name: DROPPED_HEAD for name in facts.head}
        if num_classes is None:
            self._end_with_the_maps(facts)
        self.fixed = self._constants()
        self.undecayed = self._spared_decay()
        if grad_checkpointing:
            recompute_activations(network, self.model)

    def _end_with_the_maps(self, facts: Survey) -> None:
        """Take off what comes after the last map. A parameter in its midst that no map depends on does not train."""
        _cut(self.model, facts)
        there = self.model.state_dict()
        self.left_behind = {
            _MODEL + name: DROPPED_HEAD if name in facts.head else DROPPED_TAIL
            for name in facts.tensors
            if name not in there
        }
        for name, parameter in self.model.named_parameters():
            if name not in facts.stages:
                parameter.requires_grad_(False)

    def _constants(self) -> frozenset[str]:
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        estimated = {
            f"{_MODEL}{name}.{buffer}"
            for name, module in self.model.named_modules()
            if isinstance(module, _BatchNorm)
            for buffer, _ in module.named_buffers(recurse=False)
        }
        return frozenset(self.state_dict().keys() - trained - estimated)

    def _spared_decay(self) -> frozenset[str]:
        """Position embeddings and the like, by names or patterns of timm's own."""
        patterns = self.model.no_weight_decay() if hasattr(self.model, "no_weight_decay") else ()
        names = [name for name, _ in self.model.named_parameters()]
        return frozenset(_MODEL + name for pattern in patterns for name in fnmatch.filter(names, pattern))

    @property
    def output_stride(self) -> int:
        """What it was built with: 32 in classification geometry, whatever the stride of its last stage."""
        return self._output_stride

    def stages(self, x: Tensor) -> list[Tensor]:
        """Feature maps of stages 0 .. max(out_indices), each (N, channels, rows, columns)."""
        return take_maps(self.model, x, max(self.out_indices) + 1)

    def stage_of(self, tensor: str) -> int:
        """The stage of a tensor, counted from 1; 0 is the stem. What no map depends on is of the last."""
        return self._stages.get(tensor.removeprefix(_MODEL), len(self.feature_info) - 1) + 1

    def _frozen_modules(self) -> list[nn.Module]:
        return list(self._frozen_below(self.model, _MODEL)) if self.frozen_stages >= 0 else []

    def _frozen_below(self, module: nn.Module, prefix: str) -> Iterator[nn.Module]:
        """The outermost modules whose tensors are all frozen."""
        tensors = list(module.state_dict(keep_vars=True))
        if tensors and all(self.stage_of(prefix + name) <= self.frozen_stages for name in tensors):
            yield module
            return
        for name, child in module.named_children():
            yield from self._frozen_below(child, f"{prefix}{name}.")


class TimmClassifier(Classifier):
    """timm's whole model as a classifier: ``classifier.trunk`` is it, and its logits are these.

    Args:
        trunk: A trunk with a head.
        network: ``timm:NAME``.
    """

    trunk: TimmTrunk

    def __init__(self, trunk: TimmTrunk, network: str) -> None:
        nn.Module.__init__(self)
        self.trunk = trunk
        self.aux_head = None
        self._head_prefixes = head_prefixes(network)

    def class_tensors(self) -> list[Tensor]:
        """Weights and biases with a row for each class: those of timm's head, or of its several heads."""
        heads = [self.trunk.model.get_submodule(prefix) for prefix in self._head_prefixes]
        return [each for head in heads for each in head.parameters()]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) for normalised images (N, 3, H, W)."""
        return self.trunk.model(x)


def _build(network: str, num_classes: int, options: Mapping[str, Any], drop_path: float) -> Any:
    if not drop_path:
        return build(network, num_classes, options)
    try:
        return build(network, num_classes, {**options, "drop_path_rate": drop_path})
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise UserError(f"drop_path={drop_path}: {network} has no residual branches that timm can leave out") from None


def _cut(model: nn.Module, facts: Survey, prefix: str = "") -> None:
    """Put an identity in place of each module that is not called on the way to the maps and none of whose tensors they
    depend on."""
    for name, child in model.named_children():
        place = f"{prefix}{name}"
        tensors = [f"{place}.{each}" for each in child.state_dict()]
        used = any(f"{each}.".startswith(f"{place}.") for each in facts.called)  # a container is not called itself
        if tensors and not used and not any(each in facts.stages for each in tensors):
            setattr(model, name, nn.Identity())
        else:
            _cut(child, facts, f"{place}.")
