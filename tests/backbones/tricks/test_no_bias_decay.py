"""Which parameters are decayed, by name and by what the optimizer does to them."""

from __future__ import annotations

import torch
from pytest import fixture
from torch import nn
from torch.optim import SGD

from backbones.models import Classifier, create_classifier
from backbones.tricks.no_bias_decay import parameter_groups


@fixture
def model() -> Classifier:
    return create_classifier("resnet18_d", 7)


def test_every_parameter_is_in_exactly_one_group(model: Classifier) -> None:
    groups = parameter_groups(model, 1e-4)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())


def test_only_convolution_and_linear_weights_are_decayed(model: Classifier) -> None:
    decayed = {id(parameter) for parameter in parameter_groups(model, 1e-4)[0]["params"]}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in decayed}
    # Independent of module types: in a ResNet, these are the parameters with more than one dimension.
    assert names == {name for name, parameter in model.named_parameters() if parameter.dim() > 1}
    assert "head.weight" in names
    assert "head.bias" not in names


def test_update_without_gradient_shrinks_weights_and_leaves_the_rest() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 4))
    nn.init.ones_(model[0].bias)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    SGD(parameter_groups(model, 0.5), lr=0.1).step()
    for name, parameter in model.named_parameters():
        factor = 0.95 if name in ("0.weight", "3.weight") else 1.0
        torch.testing.assert_close(parameter.detach(), factor * before[name])


def test_frozen_parameters_are_left_out(model: Classifier) -> None:
    model.head.requires_grad_(False)
    kept = {id(parameter) for group in parameter_groups(model, 1e-4) for parameter in group["params"]}
    assert id(model.head.weight) not in kept
