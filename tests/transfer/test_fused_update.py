"""Fused updates are the same updates, whatever the layout of the weights, and go on after a checkpoint."""

from __future__ import annotations

import copy
import io

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam

from transfer.fused_update import fuse_updates

OPTIONS = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(64, 2)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 3, 6, 6, generator=generator).contiguous(memory_format=torch.channels_last)


def train(model: nn.Module, optimizer: SGD, steps: int) -> None:
    for _ in range(steps):
        model(images()).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def same(one: nn.Module, other: nn.Module, tolerance: float) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in pairs)


def test_the_same_weights_as_plain_updates() -> None:
    plain, fused = network(), network()
    start = copy.deepcopy(plain)
    optimizer = SGD(fused.parameters(), **OPTIONS)
    assert fuse_updates(optimizer)
    train(fused, optimizer, 5)
    train(plain, SGD(plain.parameters(), **OPTIONS), 5)
    assert same(fused, plain, 1e-6)
    assert not same(fused, start, 1e-2)


def test_the_order_of_memory_conversion_does_not_matter() -> None:
    """The framework builds the optimizer before the weights are put in channels_last."""
    early, late = network().to(memory_format=torch.contiguous_format), network()
    optimizers = [SGD(model.parameters(), **OPTIONS) for model in (early, late)]
    early.to(memory_format=torch.channels_last)
    for model, optimizer in zip((early, late), optimizers, strict=True):
        fuse_updates(optimizer)
        train(model, optimizer, 3)
    assert same(early, late, 0)


def test_resumed_updates_are_those_of_a_training_that_never_stopped() -> None:
    straight, stopped = network(), network()
    optimizer = SGD(straight.parameters(), **OPTIONS)
    fuse_updates(optimizer)
    train(straight, optimizer, 4)

    first = SGD(stopped.parameters(), **OPTIONS)
    fuse_updates(first)
    train(stopped, first, 2)
    file = io.BytesIO()
    torch.save({"model": stopped.state_dict(), "optimizer": first.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = network().to(memory_format=torch.contiguous_format)
    second = SGD(resumed.parameters(), **OPTIONS)
    resumed.load_state_dict(saved["model"])
    second.load_state_dict(saved["optimizer"])
    resumed.to(memory_format=torch.channels_last)
    fuse_updates(second)
    train(resumed, second, 2)
    assert same(resumed, straight, 0)


def test_other_optimizers_are_left_alone() -> None:
    model = network()
    adam, several = Adam(model.parameters()), SGD(model.parameters(), **OPTIONS, foreach=True)
    for optimizer in (adam, several):
        assert not fuse_updates(optimizer)
        assert not any(group["fused"] for group in optimizer.param_groups)
