"""Fused updates are the same updates, whatever the layout of the weights, and go on after a checkpoint."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam

from backbones.training.fused_update import fuse_updates

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


def test_a_checkpoint_of_another_layout() -> None:
    """Its momentum, and gradients that were there before the weights were moved, lie otherwise than the weights."""
    plain, fused = network().to(memory_format=torch.contiguous_format), network()
    optimizer = SGD(plain.parameters(), **OPTIONS)
    train(plain, optimizer, 2)
    fused.load_state_dict(plain.state_dict())
    second = SGD(fused.parameters(), **OPTIONS)
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert fuse_updates(second)
    weight = fused[0].weight
    assert second.state[weight]["momentum_buffer"].stride() != weight.stride()
    for model, update in ((plain, optimizer), (fused, second)):
        model(images()).square().mean().backward()
        for parameter in model.parameters():
            parameter.grad = parameter.grad.contiguous()
        update.step()
    assert weight.grad.stride() == weight.stride()
    assert same(fused, plain, 1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_weight_that_is_held_at_first(momentum: float) -> None:
    plain, fused = network(), network()
    optimizers = {
        model: SGD(model.parameters(), lr=0.1, momentum=momentum, weight_decay=0.01) for model in (plain, fused)
    }
    fuse_updates(optimizers[fused])
    start = fused[0].weight.detach().clone()
    for model, optimizer in optimizers.items():
        model[0].requires_grad_(False)
        train(model, optimizer, 2)
        assert torch.equal(model[0].weight, start)
        model[0].requires_grad_(True)
        train(model, optimizer, 2)
    assert not torch.equal(fused[0].weight, start)
    assert same(fused, plain, 1e-6)


def test_double_precision() -> None:
    plain, fused = network().double(), network().double()
    optimizer = SGD(fused.parameters(), **OPTIONS)
    assert fuse_updates(optimizer)
    for model, update in ((plain, SGD(plain.parameters(), **OPTIONS)), (fused, optimizer)):
        for _ in range(3):
            model(images().double()).square().mean().backward()
            update.step()
            update.zero_grad()
    assert same(fused, plain, 1e-14)


def test_no_gradient_is_copied_for_the_kernel_and_all_are_left_as_they_were() -> None:
    model = network()
    optimizer = SGD(model.parameters(), **OPTIONS)
    fuse_updates(optimizer)
    model(images()).square().mean().backward()
    before = {name: (weight.grad.clone(), weight.grad.data_ptr()) for name, weight in model.named_parameters()}
    assert not model[0].weight.grad.is_contiguous()  # the kernel alone would copy it
    seen: list[bool] = []

    def see(*_: object) -> None:
        seen.extend(torch.equal(weight.grad, before[name][0]) for name, weight in model.named_parameters())

    optimizer.register_step_pre_hook(see)
    with torch.profiler.profile() as profile:
        optimizer.step()
    assert seen == [True] * len(before)
    assert {"aten::contiguous", "aten::clone", "aten::copy_"}.isdisjoint(event.key for event in profile.key_averages())
    for name, weight in model.named_parameters():
        gradient, address = before[name]
        assert torch.equal(weight.grad, gradient)
        assert weight.grad.stride() == weight.stride()
        assert weight.grad.data_ptr() == address


def test_a_checkpoint_that_was_not_fused_is_continued_so() -> None:
    plain, other = network(), network()
    optimizers = [SGD(plain.parameters(), **OPTIONS, fused=False), SGD(other.parameters(), **OPTIONS)]
    fuse_updates(optimizers[1])
    train(plain, optimizers[0], 1)
    other.load_state_dict(plain.state_dict())
    optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
    for model, optimizer in zip((plain, other), optimizers, strict=True):
        train(model, optimizer, 2)
    assert same(other, plain, 0)


@pytest.mark.parametrize("writes", ["fused", "plain"])
@pytest.mark.parametrize("reads", ["fused", "plain"])
def test_a_checkpoint_is_continued_alike_by_whoever_reads_it(writes: str, reads: str) -> None:
    """The momentum of a training in channels_last, in a model that lies otherwise: nobody may mix numbers up."""
    straight, first = network(), network()
    reference = SGD(straight.parameters(), **OPTIONS)
    optimizer = SGD(first.parameters(), **OPTIONS)
    if writes == "fused":
        assert fuse_updates(optimizer)
    for model, each in ((straight, reference), (first, optimizer)):
        train(model, each, 2)
    saved = copy.deepcopy({"model": first.state_dict(), "optimizer": optimizer.state_dict()})
    assert not any(group["fused"] for group in saved["optimizer"]["param_groups"])
    stranger = network().to(memory_format=torch.contiguous_format)
    stranger.load_state_dict(saved["model"])
    second = SGD(stranger.parameters(), **OPTIONS)
    if reads == "fused":
        fuse_updates(second)
    second.load_state_dict(saved["optimizer"])
    assert bool(second.param_groups[0]["fused"]) == (reads == "fused")
    for model, each in ((straight, reference), (stranger, second)):
        train(model, each, 3)
    assert same(stranger, straight, 1e-6)


def test_another_version_of_pytorch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from backbones.training import fused_update

    monkeypatch.setattr(fused_update, "WRITTEN_FOR", "2.10")
    optimizer = SGD(network().parameters(), **OPTIONS)
    assert not fuse_updates(optimizer)
    assert not optimizer.param_groups[0]["fused"]


def test_weights_with_gaps_in_memory_are_left_alone() -> None:
    weight = nn.Parameter(torch.zeros(4, 6)[:, ::2])
    assert not fuse_updates(SGD([weight], **OPTIONS))


def test_weights_elsewhere_are_left_alone() -> None:
    optimizer = SGD([nn.Parameter(torch.empty(2, device="meta"))], **OPTIONS)
    optimizer.param_groups[0]["fused"] = True  # by a checkpoint of a CPU
    assert not fuse_updates(optimizer)
    assert not optimizer.param_groups[0]["fused"]


def test_other_optimizers_are_left_alone() -> None:
    model = network()
    adam, several = Adam(model.parameters()), SGD(model.parameters(), **OPTIONS, foreach=True)
    one_by_one, apart = (SGD(model.parameters(), **OPTIONS, **{name: False}) for name in ("foreach", "fused"))
    dampened = SGD(model.parameters(), **OPTIONS, dampening=0.1)
    for optimizer in (adam, several, one_by_one, apart, dampened):
        assert not fuse_updates(optimizer)
        assert not any(group["fused"] for group in optimizer.param_groups)
