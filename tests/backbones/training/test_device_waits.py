"""Steps of a training on a GPU that is only claimed: the program runs ahead of it, and waits when losses are logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import numpy as np
import torch
from fake_cuda import CUDA, FakeCuda, fake_gradients, to_cuda
from pytest import MonkeyPatch, fixture, mark, raises
from torch import Tensor

from backbones.bundles.contract import imagenet_contract
from backbones.data.color import random_color
from backbones.data.loader import Batch, _complete
from backbones.data.normalisation import network_input
from backbones.errors import UserError
from backbones.evaluation.accuracy import evaluate
from backbones.models import Classifier, create_classifier
from backbones.models.convolution import adopt_convolutions
from backbones.models.depthwise import quicken_depthwise
from backbones.recipes.recipe import find_recipe
from backbones.recipes.schedule import resolve_schedule
from backbones.training import log as log_module
from backbones.training.checkpoint import Progression
from backbones.training.ema import WeightAverage
from backbones.training.log import TrainingLog
from backbones.training.loop import TrainingJob, training_step
from backbones.training.objective import Objective
from backbones.training.optimizer import create_optimizer
from backbones.training.teacher import Teacher
from backbones.tricks.low_precision import gradient_scaler

NETWORK, CLASSES, IMAGES, SIDE, READ, STEPS = "mobilenet_v1_025", 6, 4, 32, 3, 7
CONTRACT = imagenet_contract(SIDE)


@fixture
def fake() -> Iterator[FakeCuda]:
    with FakeCuda() as context:
        yield context


def model() -> Classifier:
    """On the fake GPU, by the way of a real one."""
    built = create_classifier(NETWORK, CLASSES)
    adopt_convolutions(built)
    quicken_depthwise(built)
    to_cuda(built)
    return built


def job(recipe: str) -> TrainingJob:
    """All that a step may have: clipping, averaged weights, parts, a teacher."""
    student, asked = model(), find_recipe(recipe)
    order = torch.arange(CLASSES, device=CUDA)
    teacher = Teacher(model().eval(), CONTRACT, order, NETWORK, "") if asked.distillation else None
    return TrainingJob(
        model=student,
        replica=student,
        average=WeightAverage(student, 0.99),
        optimizer=create_optimizer(student, asked),
        scaler=gradient_scaler("bf16", CUDA),
        schedule=resolve_schedule(asked, 1, STEPS, 0.1),
        objective=Objective(CLASSES, CONTRACT, asked, teacher, "bf16"),
        data=Mock(),
        batch_size=IMAGES,
        accumulate=2,
        clip=1.0,
        steps_per_epoch=STEPS,
        seed=0,
        color="gluoncv",
        device=CUDA,
        precision="bf16",
        workers=0,
        network=NETWORK,
        facts={},
    )


def batch(device: torch.device = CUDA) -> Batch:
    """As workers hand it over, in two pieces, and then on the device."""
    pieces = [
        Batch(torch.zeros(IMAGES // 2, SIDE, SIDE, 3, dtype=torch.uint8), torch.zeros(IMAGES // 2, dtype=torch.int64))
        for _ in range(2)
    ]
    return _complete(pieces[0], iter(pieces[1:]), IMAGES, device)


@mark.parametrize("recipe", ["b-standard", "d-mixup", "d-distill"])
def test_a_training_waits_where_it_reads_its_losses_and_nowhere_else(
    fake: FakeCuda, recipe: str, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    assert log_module.GPU_READ_STEPS == 20  # that often; here more, to see it twice in few steps
    monkeypatch.setattr(log_module, "GPU_READ_STEPS", READ)
    training = job(recipe)
    progression = Progression()
    log = TrainingLog(training.schedule, STEPS, Mock(path=tmp_path), progression, CUDA)
    waited: dict[int, set[str]] = {}
    with fake_gradients(training.model):
        fake.waits.clear()
        for _ in range(STEPS):
            loss = training_step(training, batch(), progression.step)
            progression.step += 1
            log.step_done(loss, IMAGES)
            if fake.waits:
                waited[progression.step] = {place.rpartition(":")[0] for _, place in fake.waits}
                fake.waits.clear()
    assert waited == {step: {"backbones/training/log.py"} for step in (READ, 2 * READ)}
    assert (loss.device, loss.dtype, loss.shape) == (CUDA, torch.float32, ())


def test_a_look_at_each_loss_is_found_out(fake: FakeCuda) -> None:
    training = job("b-standard")
    with fake_gradients(training.model):
        loss = training_step(training, batch(), 0)
    fake.waits.clear()
    assert loss.item() == 1.0
    assert [what for what, _ in fake.waits] == ["number"]


def test_an_evaluation_waits_at_its_end(fake: FakeCuda) -> None:
    network = model()
    fake.waits.clear()
    with raises(UserError, match="logits of 1 of 1 images"):  # every number of a fake tensor is 1
        evaluate(network, [batch() for _ in range(3)], CONTRACT, CUDA)
    assert {(what, place.rpartition(":")[0]) for what, place in fake.waits} == {
        ("number", "backbones/evaluation/accuracy.py")
    }
    assert fake.total == 4  # of one list that is read at once


def test_a_batch_in_pieces_arrives_without_a_wait(fake: FakeCuda) -> None:
    arrived = batch()
    assert arrived.images.device == arrived.labels.device == CUDA
    assert not fake.waits


def test_the_colours_have_to_be_moved(fake: FakeCuda) -> None:
    """Negative control: without the one ``.to`` in it, the input cannot be made."""
    images = batch().images
    change = random_color(IMAGES, np.random.default_rng(0))
    assert network_input(images, change, CONTRACT).device == CUDA
    move = Tensor.to

    def forgetful(tensor: Tensor, *arguments: Any, **options: Any) -> Tensor:
        return tensor if arguments[:1] == (CUDA,) else move(tensor, *arguments, **options)

    with patch.object(Tensor, "to", forgetful), raises(RuntimeError, match="device"):
        network_input(images, change, CONTRACT)
