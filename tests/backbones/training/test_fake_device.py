"""A classifier's loss and evaluation on tensors that only claim to be on a GPU: a wrong device, or a wait, raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from pytest import fixture, mark, raises
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from backbones.bundles.contract import InputContract, imagenet_contract
from backbones.data.color import ColorChange
from backbones.data.loader import Batch
from backbones.evaluation.accuracy import count_correct, count_not_finite, predict
from backbones.recipes.recipe import find_recipe
from backbones.training.objective import Objective
from backbones.training.teacher import Teacher

CLASSES, IMAGES, SIDE = 6, 4, 8
CUDA = torch.device("cuda", 0)
CONTRACT = imagenet_contract(SIDE)


class Small(nn.Module):
    """A convolution, BatchNorm with its buffers, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(5, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x))


@fixture(autouse=True)
def fake() -> Iterator[None]:
    with FakeTensorMode():
        yield


def model() -> nn.Module:
    with CUDA:
        return Small()


def batch(labels: torch.device = CUDA) -> Batch:
    images = torch.empty(IMAGES, SIDE, SIDE, 3, dtype=torch.uint8, device=CUDA)
    return Batch(images, torch.zeros(IMAGES, dtype=torch.int64, device=labels))


def change() -> ColorChange:
    """All that can change, contrast too."""
    ones = np.ones(IMAGES)
    return ColorChange(ones, ones, ones, np.zeros((IMAGES, 3)), ones)


def loss(
    student: nn.Module, seen: Batch, mixup: float, temperature: float, contract: InputContract = CONTRACT
) -> Tensor:
    tricks = {"label_smoothing": 0.1, "mixup": mixup, "distillation": temperature}
    with CUDA:
        order = torch.arange(CLASSES)
    teacher = Teacher(model().eval(), contract, order, "small", "") if temperature else None
    objective = Objective(CLASSES, CONTRACT, replace(find_recipe("b-standard"), **tricks), teacher, "fp32")
    return objective.loss(student, seen, change(), objective.draw(np.random.default_rng(0)))


@mark.parametrize("mixup", [0.0, 0.2])
@mark.parametrize("temperature", [0.0, 20.0])
def test_the_loss_stays_on_the_device_and_waits_for_nothing(mixup: float, temperature: float) -> None:
    found = loss(model(), batch(), mixup, temperature, replace(CONTRACT, channel_order="BGR"))
    assert (found.device, found.shape, found.dtype) == (CUDA, (), torch.float32)


def test_evaluation_stays_on_the_device_and_waits_for_nothing_within_a_batch() -> None:
    ((logits, labels),) = predict(model(), [batch()], CONTRACT, CUDA)
    assert logits.device == labels.device == CUDA
    assert count_correct(logits, labels).device == CUDA
    assert count_not_finite(logits).device == CUDA


def test_labels_on_the_processor_are_refused() -> None:
    with raises(RuntimeError, match=r"device"):
        loss(model(), batch(torch.device("cpu")), 0.0, 0.0)


def test_a_buffer_on_the_processor_is_refused() -> None:
    student = model()
    student.layers[1].running_mean = torch.zeros(5, device="cpu")
    with raises(RuntimeError, match=r"device"):
        loss(student, batch(), 0.0, 0.0)


def test_a_wait_for_the_device_is_refused() -> None:
    found = loss(model(), batch(), 0.0, 0.0)
    with raises(DataDependentOutputException):
        found.item()
