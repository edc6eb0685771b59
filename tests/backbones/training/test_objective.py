"""The loss of a batch, against the formulas of Section 5 written out in loops of float64 numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import torch
from pytest import approx, fixture, mark, raises
from torch import Tensor, nn

from backbones.bundles.contract import InputContract, imagenet_contract
from backbones.data.color import identity_color
from backbones.data.loader import Batch
from backbones.recipes.recipe import Recipe, find_recipe
from backbones.training.objective import AUXILIARY_WEIGHT, Objective
from backbones.training.teacher import Teacher

CLASSES, IMAGES, SIDE = 4, 5, 3
ORDER = (2, 0, 3, 1)  # the teacher's output of each class
STUDENT = imagenet_contract(SIDE)
TEACHER = replace(STUDENT, mean=(30.0, 20.0, 10.0), std=(50.0, 60.0, 70.0), channel_order="BGR")
COMBINATIONS = list(product((0.0, 0.1), (0.0, 0.2), (0.0, 20.0), (False, True)))


class Linear(nn.Module):
    """A network small enough to be written out: logits are linear in all pixels. ``second`` adds an auxiliary head."""

    def __init__(self, seed: int, second: bool = False) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterList(
            nn.Parameter(0.3 * torch.randn(CLASSES, 3, SIDE, SIDE, generator=generator)) for _ in range(1 + second)
        )

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        outputs = tuple(torch.einsum("nchw,kchw->nk", x, weight) for weight in self.weights)
        return outputs if len(outputs) > 1 else outputs[0]


@fixture
def batch() -> Batch:
    random = np.random.default_rng(3)
    images = random.integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    return Batch(torch.from_numpy(images), torch.tensor([0, 3, 1, 3, 2]))


def recipe(smoothing: float, mixup: float, temperature: float) -> Recipe:
    tricks = {"label_smoothing": smoothing, "mixup": mixup, "distillation": temperature}
    return replace(find_recipe("b-standard"), **tricks)


def objective(smoothing: float, mixup: float, temperature: float) -> Objective:
    teacher = Teacher(Linear(seed=2).eval(), TEACHER, torch.tensor(ORDER), "linear", "") if temperature else None
    return Objective(CLASSES, STUDENT, recipe(smoothing, mixup, temperature), teacher, "fp32")


Matrix = list[list[float]]


def blend(rows: Matrix, weight: float) -> Matrix:
    """Row i, and 1 - weight of its partner: the row as far from the end as i is from the start."""
    count = len(rows)
    return [
        [weight * a + (1 - weight) * b for a, b in zip(rows[i], rows[count - 1 - i], strict=True)] for i in range(count)
    ]


def normalised(batch: Batch, contract: InputContract) -> Matrix:
    """One row of values per image: channel, then line, then column, in the contract's order of channels."""
    rows = []
    for image in batch.images.tolist():
        row = []
        for place, channel in enumerate(contract.channel_order):
            for line in image:
                for pixel in line:
                    row.append((pixel["RGB".index(channel)] - contract.mean[place]) / contract.std[place])
        rows.append(row)
    return rows


def logits_of(rows: Matrix, weight: Tensor) -> Matrix:
    kernels = weight.detach().double().flatten(1).tolist()
    return [[math.fsum(a * b for a, b in zip(row, kernel, strict=True)) for kernel in kernels] for row in rows]


def softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp((value - max(row)) / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def cross_entropy(targets: Matrix, rows: Matrix, temperature: float = 1.0) -> float:
    total = 0.0
    for target, row in zip(targets, rows, strict=True):
        total -= math.fsum(t * math.log(p) for t, p in zip(target, softmax(row, temperature), strict=True))
    return total / len(rows)


def reference(batch: Batch, model: Linear, smoothing: float, mixup: float, temperature: float, weight: float) -> float:
    targets = [
        [1 - smoothing if k == label else smoothing / (CLASSES - 1) for k in range(CLASSES)]
        for label in batch.labels.tolist()
    ]
    pixels, seen = normalised(batch, STUDENT), normalised(batch, TEACHER)
    if mixup:
        targets, pixels, seen = blend(targets, weight), blend(pixels, weight), blend(seen, weight)
    logits = logits_of(pixels, model.weights[0])
    loss = cross_entropy(targets, logits)
    if temperature:
        taught = [[row[place] for place in ORDER] for row in logits_of(seen, Linear(seed=2).weights[0])]
        loss += temperature**2 * cross_entropy([softmax(row, temperature) for row in taught], logits, temperature)
    for auxiliary in model.weights[1:]:
        loss += 0.4 * cross_entropy(targets, logits_of(pixels, auxiliary))
    return loss


@mark.parametrize(("smoothing", "mixup", "temperature", "second"), COMBINATIONS)
def test_equals_the_slow_reference(
    batch: Batch, smoothing: float, mixup: float, temperature: float, second: bool
) -> None:
    model = Linear(seed=1, second=second)
    for weight in (0.3, 1.0):
        draws = (weight,) if mixup else ()
        loss = objective(smoothing, mixup, temperature).loss(model, batch, identity_color(IMAGES), draws)
        assert loss.dtype == torch.float32
        assert loss.item() == approx(reference(batch, model, smoothing, mixup, temperature, weight), rel=2e-5)


@mark.parametrize(("smoothing", "mixup", "temperature", "second"), COMBINATIONS)
def test_gradient_equals_the_references_slope(
    batch: Batch, smoothing: float, mixup: float, temperature: float, second: bool
) -> None:
    model = Linear(seed=1, second=second)
    draws = (0.3,) if mixup else ()
    objective(smoothing, mixup, temperature).loss(model, batch, identity_color(IMAGES), draws).backward()
    for weight in model.weights:
        for index in ((0, 0, 0, 0), (3, 2, 1, 2)):
            slope, step = 0.0, 2.0**-10
            for sign in (1, -1):
                with torch.no_grad():
                    weight[index] += sign * step
                slope += sign * reference(batch, model, smoothing, mixup, temperature, 0.3)
                with torch.no_grad():
                    weight[index] -= sign * step
            assert weight.grad[index].item() == approx(slope / (2 * step), rel=1e-2, abs=1e-3)


FELLOW = replace(STUDENT, mean=(100.0, 110.0, 120.0), std=(30.0, 30.0, 30.0))
FELLOW_ORDER = (3, 1, 0, 2)


@mark.parametrize("mixup", [0.0, 0.2])
def test_several_teachers_equal_the_slow_reference(batch: Batch, mixup: float) -> None:
    """Each sees the student's mixture in its own normalisation, and its classes in the student's order."""
    wanted, model = objective(0.1, mixup, 20.0), Linear(seed=1)
    fellow = Teacher(Linear(seed=4).eval(), FELLOW, torch.tensor(FELLOW_ORDER), "linear", "")
    several = replace(wanted, fellows=(fellow,))
    draws = (0.3,) if mixup else ()
    soft = []
    for seed, contract, order in ((2, TEACHER, ORDER), (4, FELLOW, FELLOW_ORDER)):
        rows = normalised(batch, contract)
        seen = blend(rows, 0.3) if mixup else rows
        taught = [[row[place] for place in order] for row in logits_of(seen, Linear(seed).weights[0])]
        soft.append([softmax(row, 20.0) for row in taught])
    mean = [[math.fsum(pair) / 2 for pair in zip(*rows, strict=True)] for rows in zip(*soft, strict=True)]
    plain = normalised(batch, STUDENT)
    logits = logits_of(blend(plain, 0.3) if mixup else plain, model.weights[0])
    expected = reference(batch, model, 0.1, mixup, 0.0, 0.3) + 400 * cross_entropy(mean, logits, 20.0)
    loss = several.loss(model, batch, identity_color(IMAGES), draws)
    assert loss.item() == approx(expected, rel=2e-5)
    alone = wanted.loss(model, batch, identity_color(IMAGES), draws)
    assert abs(loss - alone) > 0.01
    loss.backward()
    assert all(each.grad is None for teacher in several.teachers for each in teacher.model.parameters())


def test_every_trick_makes_a_difference(batch: Batch) -> None:
    """Negative control: the sixteen losses of the tests above are sixteen numbers."""
    losses = {
        round(reference(batch, Linear(1, second), smoothing, mixup, temperature, 0.3), 6)
        for smoothing, mixup, temperature, second in COMBINATIONS
    }
    assert len(losses) == len(COMBINATIONS)


def test_the_auxiliary_loss_weighs_as_in_torchvision(batch: Batch) -> None:
    assert AUXILIARY_WEIGHT == 0.4
    one, both = Linear(seed=1), Linear(seed=1, second=True)
    plain = objective(0.1, 0.0, 0.0)
    change = identity_color(IMAGES)
    second = Linear(seed=1)
    second.weights[0] = both.weights[1]
    parts = [plain.loss(model, batch, change, ()).item() for model in (one, second)]
    assert plain.loss(both, batch, change, ()).item() == approx(parts[0] + 0.4 * parts[1], rel=1e-6)


def test_the_teacher_gets_no_gradient(batch: Batch) -> None:
    wanted = objective(0.1, 0.2, 20.0)
    model = Linear(seed=1)
    wanted.loss(model, batch, identity_color(IMAGES), (0.3,)).backward()
    assert all(parameter.grad is None for parameter in wanted.teacher.model.parameters())
    assert model.weights[0].grad.abs().sum() > 0


def test_an_update_draws_for_what_mixes_alone(batch: Batch) -> None:
    plain, mixing = objective(0.1, 0.0, 20.0), objective(0.1, 0.2, 20.0)
    assert plain.draw(np.random.default_rng(0)) == ()
    assert mixing.draw(np.random.default_rng(0)) == (np.random.default_rng(0).beta(0.2, 0.2),)
    with raises(ValueError, match="zip"):  # a draw that nobody asked for
        plain.loss(Linear(seed=1), batch, identity_color(IMAGES), (0.3,))


class Convolution(nn.Module):
    """An operation that autocast runs in 16 bits, with a note of what it saw and gave."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, CLASSES, SIDE)
        self.seen: list[torch.dtype] = []

    def forward(self, x: Tensor) -> Tensor:
        logits = self.layer(x).flatten(1)
        self.seen += [x.dtype, logits.dtype]
        return logits


def test_in_16_bits_only_the_networks_are(batch: Batch) -> None:
    """Pixels, targets and loss stay in float32."""
    student, teacher = Convolution(), Convolution()
    taught_by = Teacher(teacher, TEACHER, torch.tensor(ORDER), "c", "")
    low = Objective(CLASSES, STUDENT, recipe(0.1, 0.2, 20.0), taught_by, "bf16")
    loss = low.loss(student, batch, identity_color(IMAGES), (0.3,))
    assert loss.dtype == torch.float32
    assert student.seen == teacher.seen == [torch.float32, torch.bfloat16]
