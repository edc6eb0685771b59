"""bf16 for the parts of a detector or segmentor that do almost all of the arithmetic.

mmengine's own AMP wrapper refuses to run on a CPU and casts whole models. Here single modules compute in bf16 and hand
float32 on, so that box coordinates, targets and losses never see 8 bits of mantissa.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from backbones.errors import UserError


def compute_in_bfloat16(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Wrap the forward of the named submodules in autocast; returns the names that the model has.

    Parameters stay float32 and are therefore the master weights; outputs are float32 again. Of a model that is wrapped
    for several processes, give the one inside.

    Raises:
        UserError: The model has none of the modules that were named, so it would compute in float32.
    """
    wrapped = []
    for name, module in model.named_modules():
        if name in names:
            device_type = next(module.parameters()).device.type
            module.forward = _autocast_forward(module.forward, device_type)
            wrapped.append(name)
    if names and not wrapped:
        raise UserError(
            f"--precision bf16: the model has none of the modules that would compute in it ({', '.join(names)}); give "
            "--precision fp32"
        )
    return wrapped


def _autocast_forward(forward: Callable[..., Any], device_type: str) -> Callable[..., Any]:
    @functools.wraps(forward)
    def in_bfloat16(*inputs: Any) -> Any:
        with torch.autocast(device_type, dtype=torch.bfloat16):
            outputs = forward(*inputs)
        return outputs.float() if isinstance(outputs, Tensor) else type(outputs)(output.float() for output in outputs)

    return in_bfloat16
