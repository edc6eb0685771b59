"""The average of the weights, against its recursion in plain numbers."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, mark
from torch import nn

from backbones.training.ema import WeightAverage


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def values(model: nn.Module, name: str) -> list[float]:
    return model.state_dict()[name].double().flatten().tolist()


@given(st.floats(0.01, 0.9999), st.integers(1, 15))
@settings(max_examples=25, deadline=None)
def test_follows_the_recursion(decay: float, updates: int) -> None:
    model = small_model()
    average = WeightAverage(model, decay)
    names = [name for name in model.state_dict() if "num_batches" not in name]
    expected = {name: values(model, name) for name in names}
    for update in range(1, updates + 1):
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.randn(value.shape))
        average.update(model, update)
        kept = min(decay, (1 + update) / (10 + update))
        for name in names:
            pairs = zip(expected[name], values(model, name), strict=True)
            expected[name] = [kept * old + (1 - kept) * new for old, new in pairs]
    for name in names:
        assert values(average.module, name) == approx(expected[name], rel=1e-4, abs=1e-5), name


@mark.parametrize(("update", "kept"), [(1, 2 / 11), (2, 3 / 12), (10, 11 / 20), (10_000, 0.9), (1_000_000, 0.9)])
def test_a_short_run_is_not_stuck_at_its_first_weights(update: int, kept: float) -> None:
    model = nn.Linear(1, 1)
    nn.init.ones_(model.weight)
    average = WeightAverage(model, 0.9)
    nn.init.zeros_(model.weight)
    average.update(model, update)
    assert average.module.weight.item() == approx(kept)


def test_starts_as_a_copy_that_does_not_train() -> None:
    model = small_model()
    average = WeightAverage(model, 0.5)
    for name, value in average.module.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
        assert value.data_ptr() != model.state_dict()[name].data_ptr()
    assert not any(parameter.requires_grad for parameter in average.module.parameters())
    assert not average.module.training
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_counter_of_batches_is_copied_and_not_averaged() -> None:
    model = small_model()
    average = WeightAverage(model, 0.5)
    for _ in range(3):
        model(torch.rand(2, 3, 5, 5))
    average.update(model, 1)
    assert average.module[1].num_batches_tracked.item() == 3


def test_the_model_itself_is_left_alone() -> None:
    model = small_model()
    average = WeightAverage(model, 0.5)
    nn.init.zeros_(model[0].weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    average.update(model, 1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert average.module[0].weight.abs().sum() > 0
