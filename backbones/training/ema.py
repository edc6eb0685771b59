"""Exponential moving average of the weights: evaluated and saved in place of the weights themselves.

Not in the paper; timm (``--model-ema``) and torchvision's reference training have it. Parameters and BatchNorm
statistics are averaged alike. The decay of update t is min(decay, (1 + t) / (10 + t)), as in TensorFlow's moving
averages, so that a short run is not stuck at its first weights.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


class WeightAverage(Generic[Model]):
    """The average of a model's weights over the updates so far, in ``module``. Starts as a copy of the model.

    (``torch.optim.swa_utils.AveragedModel`` counts updates on the device, and would wait for it at each.)
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.module = deepcopy(model).requires_grad_(False).eval()
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, updates: int) -> None:
        """Take in the weights after update number ``updates``, counted from 1."""
        weight = 1.0 - min(self._decay, (1.0 + updates) / (10.0 + updates))
        current = model.state_dict()
        means = self.module.state_dict()
        floating = [name for name, mean in means.items() if mean.is_floating_point()]
        torch._foreach_lerp_([means[name] for name in floating], [current[name] for name in floating], weight)
        for name in means.keys() - floating:  # BatchNorm's batch counters
            means[name].copy_(current[name])
