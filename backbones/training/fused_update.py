"""SGD in one pass over each weight, on a CPU.

By default PyTorch's SGD makes a pass over all weights for each of weight decay, momentum and update, with a tensor for
each result. PyTorch's fused kernel makes one, and takes two things for granted: that a weight, its gradient and its
momentum lie in memory alike (where they do not, it mixes up numbers in silence), and that all weights had their first
gradient in the same step. So both are seen to before each step. As a rule there is nothing to do: autograd gives
gradients the layout of their weights.

The kernel walks through memory without regard to dimensions, and yet copies a gradient first whose last dimension is
not the innermost one: that of every larger kernel in channels_last, which takes longer than the update. So the kernel
is given such a gradient's memory as if it lay in order; the gradient itself stays as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer

from backbones.machine.versions import is_version

WRITTEN_FOR = "2.11"  # of PyTorch, whose SGD._init_group and fused kernel these lines know
_MOMENTUM = "momentum_buffer"


def fuse_updates(optimizer: Optimizer) -> bool:
    """Have plain SGD of weights on a CPU update so; returns whether it does.

    A checkpoint that is loaded afterwards is decided on anew. What is saved does not hold the setting: momentum keeps
    the layout of its weight, which any other way of updating copes with, and the fused kernel in other hands does not.

    Left alone are other optimizers, another version of PyTorch than this was written for, weights elsewhere, of whole
    numbers or with gaps in memory, SGD that was told how to update, and dampening, which a weight's first gradient is
    spared.
    """
    if not is_version("torch", WRITTEN_FOR) or not _decide(optimizer):
        return False
    optimizer.register_step_pre_hook(_prepare)
    optimizer.register_state_dict_post_hook(_leave_setting_out)
    optimizer.register_load_state_dict_post_hook(_decide_anew)
    optimizer._init_group = functools.partial(_collect, optimizer._init_group)  # type: ignore[attr-defined]
    return True


def _decide(optimizer: Optimizer) -> bool:
    groups = optimizer.param_groups
    if type(optimizer) is not SGD:
        return False
    weights = [weight for group in groups for weight in group["params"]]
    if any(weight.device.type != "cpu" for weight in weights):
        for group in groups:  # of a checkpoint that a CPU has written: layouts are seen to on a CPU alone
            group["fused"] = None
        return False
    told = any(group["foreach"] is not None or group["fused"] is False or group["differentiable"] for group in groups)
    if told or not all(map(torch.is_floating_point, weights)):
        return False
    if any(group["dampening"] for group in groups) or not all(map(_fills_its_memory, weights)):
        return False
    for group in groups:
        group["fused"] = True
    return True


def _decide_anew(optimizer: Optimizer) -> None:
    _decide(optimizer)


def _leave_setting_out(_: Optimizer, state: dict[str, Any]) -> None:
    for group in state["param_groups"]:
        if group["fused"]:
            group["fused"] = None


def _prepare(optimizer: Optimizer, _: Any, __: Any) -> None:
    for group in optimizer.param_groups:
        for weight in group["params"] if group["fused"] else ():
            if weight.grad is None:
                continue
            if _layout(weight.grad) != _layout(weight):
                weight.grad = _like(weight, weight.grad)
            if group["momentum"]:
                _prepare_momentum(optimizer.state[weight], weight)


def _prepare_momentum(state: dict[str, Any], weight: Tensor) -> None:
    momentum = state.get(_MOMENTUM)
    if momentum is None:  # without dampening, the first momentum is the gradient: as from zero
        state[_MOMENTUM] = torch.zeros_like(weight)
    elif _layout(momentum) != _layout(weight):
        state[_MOMENTUM] = _like(weight, momentum)


def _fills_its_memory(weight: Tensor) -> bool:
    return _layout(torch.empty_like(weight, device="meta")) == _layout(weight)


def _collect(
    collect: Callable[..., bool], group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor], *rest: Any
) -> bool:
    """What a group's update is made with: in place of ``SGD._init_group``, which fills the lists."""
    sparse = collect(group, weights, gradients, *rest)
    if group["fused"]:
        gradients[:] = map(_in_order, gradients)
    return sparse


def _in_order(tensor: Tensor) -> Tensor:
    """The same memory, as if its dimensions came in order."""
    strides = torch.empty(tensor.shape, device="meta").stride()
    return tensor if tensor.stride() == strides else tensor.as_strided(tensor.shape, strides)


def _layout(tensor: Tensor) -> list[int]:
    """Strides; that of a dimension of one says nothing."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]


def _like(weight: Tensor, other: Tensor) -> Tensor:
    return torch.empty_like(weight).copy_(other)
