"""What several processes do with each other, in one: NCCL's group, gradients of a replica, BatchNorm over the group."""

from __future__ import annotations

import copy
import socket
from collections.abc import Iterator

import torch
import torch.distributed as dist
from pytest import MonkeyPatch, fixture, mark, param
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules._functions import SyncBatchNorm as Synchronised
from torch.nn.parallel import DistributedDataParallel

from backbones.machine.distributed import World, join_world, leave_world
from backbones.models import create_classifier
from backbones.models.sync_batch_norm import synchronise_batch_norm

ON_GPU = [mark.gpu, mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
BOTH = mark.parametrize("device", ["cpu", param("cuda", marks=ON_GPU)])


@fixture
def world(device: str, monkeypatch: MonkeyPatch) -> Iterator[World]:
    """A group of one, as torchrun would make it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    for name, value in {
        "RANK": 0,
        "WORLD_SIZE": 1,
        "LOCAL_RANK": 0,
        "LOCAL_WORLD_SIZE": 1,
        "MASTER_PORT": port,
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    yield join_world(device)
    leave_world()


@BOTH
def test_the_group_is_the_devices(device: str, world: World) -> None:
    assert dist.get_backend() == {"cpu": "gloo", "cuda": "nccl"}[device]
    assert dist.get_backend(world.messages) == "gloo"
    value = torch.full((3,), 2.0, device=device)
    dist.all_reduce(value)
    assert value.tolist() == [2.0] * 3
    assert world.any(True)


@BOTH
def test_a_replica_has_the_models_gradients(device: str, world: World) -> None:
    torch.manual_seed(0)
    model = create_classifier("mobilenet_v1_025", 5).to(device)
    alike = copy.deepcopy(model)
    images = torch.randn(4, 3, 32, 32, device=device)
    replica = DistributedDataParallel(model, [0] if device == "cuda" else None, broadcast_buffers=False)
    for each in (replica, alike):
        each(images).square().mean().backward()
    for ours, theirs in zip(model.parameters(), alike.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


@mark.parametrize("device", [param("cuda", marks=ON_GPU)])
def test_batch_norm_over_the_group_is_batch_norm(device: str, world: World) -> None:
    """A module of its kind leaves a group of one to plain BatchNorm, so the function is called itself."""
    torch.manual_seed(0)
    given = torch.randn(6, 4, 5, 5, device=device)
    weight, bias = (torch.randn(4, device=device, requires_grad=True) for _ in range(2))
    found = []
    for synchronised in (True, False):
        images = given.clone().requires_grad_()
        mean, variance = torch.zeros(4, device=device), torch.ones(4, device=device)
        if synchronised:
            output = Synchronised.apply(images, weight, bias, mean, variance, 1e-5, 0.1, dist.group.WORLD, 1)
        else:
            output = functional.batch_norm(images, mean, variance, weight, bias, training=True)
        found.append([output, *torch.autograd.grad(output.square().sum(), [images, weight, bias]), mean, variance])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@mark.parametrize("device", [param("cuda", marks=ON_GPU)])
def test_a_converted_network_trains(device: str, world: World) -> None:
    model = synchronise_batch_norm(create_classifier("resnet18_d", 5)).to(device)
    assert any(isinstance(module, nn.SyncBatchNorm) for module in model.modules())
    loss: Tensor = model(torch.randn(4, 3, 32, 32, device=device)).square().mean()
    loss.backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())
