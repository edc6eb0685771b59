"""Cosine decay, against its defining properties and PyTorch's scheduler."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from torch.optim.lr_scheduler import CosineAnnealingLR

from backbones.tricks.cosine import cosine_factor


def test_starts_at_one_and_ends_at_zero() -> None:
    assert cosine_factor(0, 77) == 1.0
    assert cosine_factor(77, 77) == approx(0.0, abs=1e-15)


@given(st.integers(2, 3000), st.data())
def test_falls_and_is_point_symmetric(total: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, total - 1))
    assert cosine_factor(done, total) > cosine_factor(done + 1, total)
    assert cosine_factor(done, total) + cosine_factor(total - done, total) == approx(1.0)


def test_equals_the_recursive_form_of_pytorch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = CosineAnnealingLR(optimizer, T_max=50)
    for done in range(51):
        assert cosine_factor(done, 50) == approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        scheduler.step()
