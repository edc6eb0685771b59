"""One update of the weights, against the same update done by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import replace

import torch
from pytest import approx, mark
from torch import Tensor, nn

from backbones.data.color import random_color
from backbones.data.loader import Batch
from backbones.data.randomness import Purpose, keyed_generator
from backbones.recipes.recipe import find_recipe
from backbones.training.loop import TrainingJob, training_step
from backbones.training.optimizer import create_optimizer
from backbones.training.request import ClassificationRequest
from backbones.tricks.mixup import draw_mix

pytestmark = mark.usefixtures("one_thread")
JobMaker = Callable[[ClassificationRequest], TrainingJob]
STEP = 5


def first_batch(job: TrainingJob) -> Batch:
    with closing(job.training_batches(STEP)) as batches:
        return next(batches)


def gradients_of_step(job: TrainingJob, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    """The loss of a step, and the gradients that its update is made with."""
    found: list[Tensor] = []

    def note(optimizer: torch.optim.SGD, *_: object) -> None:
        found.extend(parameter.grad.clone() for group in optimizer.param_groups for parameter in group["params"])

    hook = job.optimizer.register_step_pre_hook(note)
    loss = training_step(job, batch, STEP)
    hook.remove()
    return loss, found


def parameters(job: TrainingJob) -> list[nn.Parameter]:
    return [parameter for group in job.optimizer.param_groups for parameter in group["params"]]


def norm(gradients: list[Tensor]) -> float:
    return sum(gradient.double().square().sum().item() for gradient in gradients) ** 0.5


@mark.parametrize("recipe", ["smooth", "mixup"])
@mark.parametrize("accumulate", [1, 2, 3])
def test_the_gradient_is_the_mean_over_the_parts(
    request_run: ClassificationRequest, job_of: JobMaker, recipe: str, accumulate: int
) -> None:
    """BatchNorm sees one part at a time, so each part is a forward pass of its own here as well."""
    color = "gluoncv" if recipe == "mixup" else "paper"
    wanted = replace(request_run, network="mobilenet_v1_025", recipe=recipe, color=color, batch_size=12, epochs=4)
    job = job_of(replace(wanted, accumulate=accumulate))
    batch, copy = first_batch(job), deepcopy(job.model)
    epoch, number = divmod(STEP, job.steps_per_epoch)
    change = random_color(12, keyed_generator(Purpose.COLOR, 0, epoch, number), color)
    draws = (draw_mix(0.2, keyed_generator(Purpose.MIXUP, 0, STEP)),) if recipe == "mixup" else ()
    size, total, losses = 12 // accumulate, None, []
    for first in range(0, 12, size):
        part = Batch(batch.images[first : first + size], batch.labels[first : first + size])
        loss = job.objective.loss(copy, part, change.part(first, first + size), draws)
        gradients = [gradient.double() for gradient in torch.autograd.grad(loss, list(copy.parameters()))]
        total = gradients if total is None else [a + b for a, b in zip(total, gradients, strict=True)]
        losses.append(loss.item())
    expected = dict(zip((name for name, _ in copy.named_parameters()), total, strict=True))
    names = {id(parameter): name for name, parameter in job.model.named_parameters()}
    loss, found = gradients_of_step(job, batch)
    assert loss.item() == approx(sum(losses) / accumulate)
    for parameter, gradient in zip(parameters(job), found, strict=True):
        reference = expected[names[id(parameter)]] / accumulate
        assert norm([gradient - reference]) <= 1e-2 * norm([reference])  # sums that all but cancel are inexact


class WithoutBatchNorm(nn.Module):
    """What it makes of an image does not depend on the others."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
        self.layers(torch.zeros(1, 3, 32, 32))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def test_without_batchnorm_parts_change_nothing(request_run: ClassificationRequest, job_of: JobMaker) -> None:
    whole = job_of(replace(request_run, network="mobilenet_v1_025", recipe="smooth"))
    batch, results = first_batch(whole), []
    for accumulate in (1, 2, 3, 6):
        model = WithoutBatchNorm()
        optimizer = create_optimizer(model, find_recipe("smooth"))
        job = replace(whole, model=model, replica=model, optimizer=optimizer, accumulate=accumulate)
        results.append(gradients_of_step(job, batch))
    for loss, gradients in results[1:]:
        assert loss.item() == approx(results[0][0].item(), rel=1e-5)
        for gradient, reference in zip(gradients, results[0][1], strict=True):
            torch.testing.assert_close(gradient, reference, rtol=1e-4, atol=1e-6)


@mark.parametrize("bound", [0.05, 0.5, 1e6])
def test_clipping_bounds_the_norm_and_keeps_the_direction(
    request_run: ClassificationRequest, job_of: JobMaker, bound: float
) -> None:
    request = replace(request_run, network="mobilenet_v1_025", recipe="smooth")
    free, bounded = job_of(request), job_of(replace(request, clip=bound))
    batch = first_batch(free)
    _, gradients = gradients_of_step(free, batch)
    _, clipped = gradients_of_step(bounded, batch)
    assert 0.5 < norm(gradients) < 1e6
    assert norm(clipped) == approx(min(bound, norm(gradients)), rel=1e-4)
    expected = [nn.Parameter(gradient) for gradient in gradients]
    for parameter, gradient in zip(expected, gradients, strict=True):
        parameter.grad = gradient.clone()
    nn.utils.clip_grad_norm_(expected, bound)
    for parameter, gradient in zip(expected, clipped, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-8)


def test_a_step_leaves_no_gradient_behind(request_run: ClassificationRequest, job_of: JobMaker) -> None:
    job = job_of(replace(request_run, network="mobilenet_v1_025", recipe="smooth", accumulate=2))
    training_step(job, first_batch(job), STEP)
    assert all(parameter.grad is None for parameter in job.model.parameters())


def test_the_average_follows_the_update(request_run: ClassificationRequest, job_of: JobMaker) -> None:
    job = job_of(replace(request_run, network="mobilenet_v1_025", recipe="smooth", ema=0.9))
    before = job.model.head.weight.detach().clone()
    assert job.trained is job.average.module
    training_step(job, first_batch(job), STEP)
    kept = (1 + STEP + 1) / (10 + STEP + 1)  # the sixth update
    expected = kept * before + (1 - kept) * job.model.head.weight.detach()
    torch.testing.assert_close(job.trained.head.weight, expected)
    assert not torch.equal(job.trained.head.weight, before)


def test_the_step_uses_its_own_learning_rate(request_run: ClassificationRequest, job_of: JobMaker) -> None:
    job = job_of(replace(request_run, network="mobilenet_v1_025", recipe="smooth"))
    training_step(job, first_batch(job), STEP)
    rates = {group["lr"] for group in job.optimizer.param_groups}
    assert rates == {job.schedule.learning_rate(STEP)}
    assert 0 < job.schedule.learning_rate(STEP) < job.schedule.peak


def test_steps_of_the_same_seed_are_the_same(request_run: ClassificationRequest, job_of: JobMaker) -> None:
    results = []
    for seed in (0, 0, 1):
        job = job_of(replace(request_run, network="mobilenet_v1_025", recipe="mixup", seed=seed))
        torch.rand(3)  # torch's own generator may be anywhere
        loss = training_step(job, first_batch(job), STEP)
        results.append((loss, job.model.head.weight.detach().clone()))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert not torch.equal(results[0][1], results[2][1])
