"""Activations that are computed again in the backward pass in place of being kept (Chen et al. 2016, arXiv 1604.06174).

A layer that is computed twice would also count a batch twice in BatchNorm's running statistics. Here the second time
leaves them alone, so that a training with recomputation ends with the bits of one without.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from backbones.errors import UserError

# Of layers that are being computed a second time.
_MOMENTA: WeakKeyDictionary[_BatchNorm, float | None] = WeakKeyDictionary()


def recompute_activations(network: str, model: Any) -> None:
    """Have a model of timm keep the inputs of its blocks alone.

    Raises:
        UserError: timm has not arranged that network for it.
    """
    try:
        model.set_grad_checkpointing(True)
    except (AssertionError, AttributeError, NotImplementedError) as error:
        raise UserError(f"grad checkpointing: timm has none for {network} ({error}); leave it out") from None
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            module.register_forward_pre_hook(_leave_statistics)
            module.register_forward_hook(_keep_statistics)


def _leave_statistics(module: _BatchNorm, _: Any) -> None:
    if module.training and torch._C._current_graph_task_id() != -1:  # autograd is in a backward pass
        module.momentum, _MOMENTA[module] = 0.0, module.momentum


def _keep_statistics(module: _BatchNorm, _: Any, __: Any) -> None:
    if module in _MOMENTA:
        module.momentum = _MOMENTA.pop(module)
        if module.num_batches_tracked is not None:
            module.num_batches_tracked.sub_(1)
