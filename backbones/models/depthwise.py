"""Depthwise convolutions in bf16 on a CPU, with the gradients of float32.

oneDNN multiplies matrices in bf16 several times as fast as in float32. A depthwise convolution is none: it is bound by
memory, and for two of its gradients in bf16, those of the input where it strides and those of weights of 5 x 5, oneDNN
falls back on code that takes five to twenty times as long as in float32 (``docs/performance.md``). So the gradients are
computed in float32, from the values that the forward pass saw in bf16, and rounded once: quicker, and nearer to exact.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from backbones.machine.versions import is_version
from backbones.models.convolution import Convolution

WRITTEN_FOR = "1.0.31"  # of timm, whose Conv2dSame.forward these lines stand in for
Size2d = tuple[int, int]


def quicken_depthwise(model: nn.Module) -> int:
    """Have the model's depthwise convolutions differentiated so under bf16 autocast on a CPU; returns how many.

    All else, other devices, precisions and evaluation, is computed as before. Left alone are kernels of up to 3 x 3
    that do not stride, with which oneDNN is as quick in bf16, subclasses of ``Conv2d`` other than this program's and
    timm's ``Conv2dSame``, and padding other than by zeros in numbers.
    """
    chosen = [module for module in model.modules() if _is_depthwise(module)]
    for module in chosen:
        module.forward = functools.partial(_convolve, module, module.forward)  # type: ignore[method-assign]
    return len(chosen)


def _is_depthwise(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    return (
        isinstance(module, nn.Conv2d)
        and (type(module) in (nn.Conv2d, Convolution) or _pads_itself(module))
        and module.groups == module.in_channels > 1
        and (max(module.stride) > 1 or max(module.kernel_size) > 3)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and "forward" not in vars(module)  # chosen before
    )


def _pads_itself(module: nn.Module) -> bool:
    """Whether it is timm's ``Conv2dSame``, which cannot be where nobody has imported timm."""
    timm = sys.modules.get("timm.layers")
    return timm is not None and type(module) is timm.Conv2dSame and is_version("timm", WRITTEN_FOR)


def _convolve(module: nn.Conv2d, otherwise: Any, images: Tensor) -> Tensor:
    if not (torch.is_grad_enabled() and images.device.type == "cpu" and _computes_in_bfloat16()):
        result: Tensor = otherwise(images)
        return result
    if _pads_itself(module):
        pad = sys.modules["timm.layers"].pad_same
        images = pad(images, list(module.kernel_size), list(module.stride), list(module.dilation))
    bias = None if module.bias is None else module.bias.bfloat16()
    with torch.autocast("cpu", enabled=False):
        maps: Tensor = _Depthwise.apply(images, module.weight, module.stride, module.padding, module.dilation)
        return maps if bias is None else maps + bias[:, None, None]


def _computes_in_bfloat16() -> bool:
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


class _Depthwise(torch.autograd.Function):
    """Images (n, channels, height, width), weights (k * channels, 1, ...) in float32: bf16 maps, no bias."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: Size2d, padding: Size2d, dilation: Size2d) -> Tensor:
        rounded, rounded_weight = images.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(rounded, rounded_weight)
        ctx.geometry, ctx.precisions = (stride, padding, dilation), (images.dtype, weight.dtype)
        channels = images.shape[1]
        return nn.functional.conv2d(rounded, rounded_weight, None, stride, padding, dilation, channels)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        gradient = gradients[0].float().contiguous(memory_format=torch.channels_last)
        of_images, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient, images.float(), weight.float(), None, stride, padding, dilation, False, (0, 0),
            images.shape[1], [*ctx.needs_input_grad[:2], False],
        )  # fmt: skip
        precisions = zip((of_images, of_weight), ctx.precisions, strict=True)
        return *(each if each is None else each.to(precision) for each, precision in precisions), None, None, None
