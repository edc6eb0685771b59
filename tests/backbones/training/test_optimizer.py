"""Nesterov momentum with weight decay, against its recursion in plain numbers."""

from __future__ import annotations

import torch
from pytest import approx, mark
from torch import nn

from backbones.recipes.recipe import find_recipe
from backbones.training.optimizer import create_optimizer, set_learning_rate


@mark.parametrize("fused", [True, False])
def test_follows_the_nesterov_recursion(fused: bool) -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    optimizer = create_optimizer(model, find_recipe("b-standard"), fused)
    assert optimizer.defaults["fused"] is fused
    weight, momentum = 2.0, 0.0
    for step in range(6):
        learning_rate, gradient = 0.1 / (step + 1), 0.3 * weight - 0.1
        model.weight.grad = torch.full((1, 1), 0.3 * model.weight.item() - 0.1)
        set_learning_rate(optimizer, learning_rate)
        optimizer.step()
        gradient += 1e-4 * weight
        momentum = 0.9 * momentum + gradient
        weight -= learning_rate * (gradient + 0.9 * momentum)
        assert model.weight.item() == approx(weight, rel=1e-6)


def test_recipes_decide_whether_biases_are_decayed() -> None:
    model = nn.Linear(3, 2)
    decays = {}
    for name in ("b-standard", "d-smooth"):
        optimizer = create_optimizer(model, find_recipe(name))
        decays[name] = {
            id(parameter): group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]
        }
    assert decays["b-standard"] == {id(model.weight): 1e-4, id(model.bias): 1e-4}
    assert decays["d-smooth"] == {id(model.weight): 1e-4, id(model.bias): 0.0}


def test_an_update_on_a_cpu_copies_no_gradient() -> None:
    model = nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)
    optimizer = create_optimizer(model, find_recipe("d-smooth"))
    model(torch.randn(2, 4, 5, 5).contiguous(memory_format=torch.channels_last)).sum().backward()
    assert not model.weight.grad.is_contiguous()
    with torch.profiler.profile() as profile:
        optimizer.step()
    names = {event.key for event in profile.key_averages()}
    assert "aten::_fused_sgd_" in names
    assert "aten::copy_" not in names


def test_what_does_not_train_is_not_the_optimizers() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    for name in ("b-standard", "d-smooth"):
        optimizer = create_optimizer(model, find_recipe(name))
        ours = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        assert ours == {id(model[1].weight), id(model[1].bias)}


def test_the_learning_rate_is_every_groups() -> None:
    optimizer = create_optimizer(nn.Linear(3, 2), find_recipe("d-smooth"))
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.0]
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
