"""The loss of distillation, against a loop over the paper's formula and its gradient worked out by hand."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, mark
from torch import Tensor
from torch.nn import functional as F

from backbones.tricks.distillation import distillation_loss
from backbones.tricks.label_smoothing import smooth_targets


def softmax(logits: list[float], temperature: float) -> list[float]:
    powers = [math.exp((logit - max(logits)) / temperature) for logit in logits]
    return [power / sum(powers) for power in powers]


def reference(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float) -> float:
    """Image by image, class by class, in float64."""
    total = 0.0
    for z, r, p in zip(student.tolist(), teacher.tolist(), targets.tolist(), strict=True):
        plain, soft, asked = softmax(z, 1.0), softmax(z, temperature), softmax(r, temperature)
        for k in range(len(z)):
            total -= p[k] * math.log(plain[k]) + temperature**2 * asked[k] * math.log(soft[k])
    return total / len(targets)


def example(count: int = 5, num_classes: int = 7, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of a student (with gradient) and of a teacher, and smoothed targets."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = 3 * torch.randn(2, count, num_classes, generator=generator)
    labels = torch.randint(num_classes, (count,), generator=generator)
    return student.clone().requires_grad_(), teacher, smooth_targets(labels, num_classes, 0.1)


def gradient(student: Tensor, loss: Tensor) -> Tensor:
    return torch.autograd.grad(loss, student)[0]


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(2, 9), st.floats(0.5, 50.0), st.integers(0, 1000))
def test_equals_the_formula(count: int, num_classes: int, temperature: float, seed: int) -> None:
    student, teacher, targets = example(count, num_classes, seed)
    loss = distillation_loss(student, teacher, targets, temperature)
    assert loss.item() == approx(reference(student, teacher, targets, temperature), rel=1e-5)


def mean_reference(student: Tensor, teachers: Tensor, targets: Tensor, temperature: float) -> float:
    """``reference`` with the mean of the teachers' softened probabilities, class by class."""
    total = 0.0
    for i, (z, p) in enumerate(zip(student.tolist(), targets.tolist(), strict=True)):
        plain, soft = softmax(z, 1.0), softmax(z, temperature)
        asked = [softmax(teacher[i].tolist(), temperature) for teacher in teachers]
        for k in range(len(z)):
            mean = math.fsum(probabilities[k] for probabilities in asked) / len(asked)
            total -= p[k] * math.log(plain[k]) + temperature**2 * mean * math.log(soft[k])
    return total / len(targets)


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.floats(0.5, 50.0), st.integers(0, 1000))
def test_several_teach_the_mean_of_their_probabilities(
    teachers: int, count: int, temperature: float, seed: int
) -> None:
    student, _, targets = example(count, 5, seed)
    taught = 3 * torch.randn(teachers, count, 5, generator=torch.Generator().manual_seed(seed + 1))
    loss = distillation_loss(student, taught, targets, temperature).item()
    assert loss == approx(mean_reference(student, taught, targets, temperature), rel=1e-5)


def test_the_mean_is_not_of_logits_and_one_alone_is_itself() -> None:
    """Negative control: what a mean of logits would give is another loss."""
    student, teacher, targets = example()
    both = torch.stack([teacher, -2 * teacher])
    of_probabilities = distillation_loss(student, both, targets, 2.0).item()
    assert of_probabilities != approx(distillation_loss(student, both.mean(0), targets, 2.0).item(), rel=1e-3)
    alone = distillation_loss(student, teacher, targets)
    assert torch.equal(distillation_loss(student, teacher[None], targets), alone)
    assert torch.allclose(distillation_loss(student, torch.stack([teacher] * 3), targets), alone)


def test_the_temperature_of_the_paper_is_the_default() -> None:
    student, teacher, targets = example()
    assert distillation_loss(student, teacher, targets).item() == approx(
        reference(student, teacher, targets, 20.0), rel=1e-5
    )


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(2, 9), st.floats(0.5, 50.0), st.integers(0, 1000))
def test_gradient_is_the_analytic_one(count: int, num_classes: int, temperature: float, seed: int) -> None:
    student, teacher, targets = example(count, num_classes, seed)
    z, r = student.detach().double(), teacher.double()
    soft = temperature * ((z / temperature).softmax(1) - (r / temperature).softmax(1))
    expected = (soft + z.softmax(1) - targets.double()) / count
    actual = gradient(student, distillation_loss(student, teacher, targets, temperature))
    torch.testing.assert_close(actual, expected.float(), atol=2e-5, rtol=1e-4)


def test_no_gradient_reaches_the_teacher() -> None:
    student, teacher, targets = example()
    teacher.requires_grad_()
    distillation_loss(student, teacher, targets).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_the_divergence_would_give_the_same_gradient() -> None:
    student, teacher, targets = example()
    asked = (teacher / 20).softmax(1)
    divergence = F.kl_div((student / 20).log_softmax(1), asked, reduction="batchmean")
    other = F.cross_entropy(student, targets) + 400 * divergence
    loss = distillation_loss(student, teacher, targets)
    entropy = -(asked * asked.log()).sum(1).mean()
    assert loss.item() - other.item() == approx(400 * entropy.item(), rel=1e-5)
    torch.testing.assert_close(gradient(student, loss), gradient(student, other), atol=2e-5, rtol=1e-4)


def test_at_a_high_temperature_the_student_is_drawn_to_the_teachers_centred_logits() -> None:
    # Hinton et al.: (z - r) / K, once each image's logits are moved to mean 0. Not so at T = 1.
    student, teacher, targets = example()
    z, r = (logits - logits.mean(1, keepdim=True) for logits in (student.detach(), teacher))
    expected = (z - r) / z.shape[1] / len(z)
    hard = gradient(student, F.cross_entropy(student, targets))
    soft = [gradient(student, distillation_loss(student, teacher, targets, t)) - hard for t in (1.0, 1000.0)]
    torch.testing.assert_close(soft[1], expected, atol=1e-3, rtol=0.01)
    assert (soft[0] - expected).abs().max() > 0.01


def test_a_student_that_agrees_with_its_teacher_learns_from_the_targets_only() -> None:
    student, _, targets = example()
    loss = distillation_loss(student, student, targets)
    hard = F.cross_entropy(student, targets)
    torch.testing.assert_close(gradient(student, loss), gradient(student, hard), atol=1e-5, rtol=1e-4)
    assert loss > hard  # by T^2 times the teacher's entropy


def test_undecided_networks_have_the_largest_entropy() -> None:
    targets = smooth_targets(torch.tensor([3, 999]), 1000, 0.1)
    loss = distillation_loss(torch.zeros(2, 1000), torch.zeros(2, 1000), targets)
    assert loss.item() == approx(401 * math.log(1000), rel=1e-5)


@mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_logits_are_computed_in_float32(dtype: torch.dtype) -> None:
    student, teacher, targets = example()
    low_student, low_teacher = student.detach().to(dtype).requires_grad_(), teacher.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = distillation_loss(low_student, low_teacher, targets)
    assert loss.dtype == torch.float32
    assert loss.item() == approx(reference(low_student, low_teacher, targets, 20.0), rel=1e-5)
    # Equal to that of the same values in float32, but for the rounding of the result.
    same_values = low_student.detach().float().requires_grad_()
    expected = gradient(same_values, distillation_loss(same_values, low_teacher.float(), targets))
    torch.testing.assert_close(gradient(low_student, loss), expected.to(dtype))


def test_large_16_bit_logits_stay_finite() -> None:
    student = torch.tensor([[6e4, -6e4, 0.0]], dtype=torch.float16, requires_grad=True)
    loss = distillation_loss(student, -student, torch.tensor([[1.0, 0.0, 0.0]]))
    assert loss.item() == approx(20 * 1.2e5, rel=1e-3)
    assert gradient(student, loss).isfinite().all()
