"""Nesterov momentum with weight decay, against its recursion in plain numbers."""

from __future__ import annotations

import torch
from pytest import approx
from torch import nn

from backbones.optimizer import create_optimizer, set_learning_rate
from backbones.recipes import find_recipe


def test_follows_the_nesterov_recursion() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    optimizer = create_optimizer(model, find_recipe("b-standard"))
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
