"""What runs in 16 bits and what stays in 32."""

from __future__ import annotations

import torch
from pytest import mark
from torch import nn

from backbones.tricks.low_precision import autocast, gradient_scaler

CPU = torch.device("cpu")


@mark.parametrize(("precision", "expected"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_products_use_the_precision_and_weights_stay_in_float32(precision: str, expected: torch.dtype) -> None:
    layer = nn.Linear(4, 3)
    with autocast(precision, CPU):
        output = layer(torch.rand(2, 4))
    output.float().sum().backward()
    assert output.dtype == expected
    assert layer.weight.dtype == torch.float32
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


def update(precision: str, gradient: float) -> tuple[float, float, float]:
    """One update of a weight of 1 with rate 1: the weight, and the loss scale before and after."""
    weight = nn.Parameter(torch.ones(()))
    optimizer, scaler = torch.optim.SGD([weight], lr=1.0), gradient_scaler(precision, CPU)
    before = scaler.get_scale()
    scaler.scale(weight * gradient).backward()
    scaler.step(optimizer)
    scaler.update()
    return weight.item(), before, scaler.get_scale()


def test_fp16_scales_the_loss_and_unscales_the_gradient() -> None:
    weight, before, after = update("fp16", 0.25)
    assert weight == 0.75
    assert before == after > 1.0


def test_fp16_skips_an_overflow_and_halves_the_scale() -> None:
    weight, before, after = update("fp16", float("inf"))
    assert weight == 1.0
    assert after == before / 2


@mark.parametrize("precision", ["fp32", "bf16"])
def test_other_precisions_do_not_scale(precision: str) -> None:
    assert update(precision, 0.25) == (0.75, 1.0, 1.0)
