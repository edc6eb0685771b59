"""Smoothed targets, against a loop over the definition, and apart from what PyTorch does."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx
from torch.nn import functional as F

from backbones.tricks.label_smoothing import smooth_targets


def reference(labels: list[int], num_classes: int, eps: float) -> list[list[float]]:
    return [
        [1 - eps if column == label else eps / (num_classes - 1) for column in range(num_classes)] for label in labels
    ]


@settings(deadline=None)
@given(st.integers(2, 40), st.floats(0.0, 0.9), st.data())
def test_equals_the_definition(num_classes: int, eps: float, data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.integers(0, num_classes - 1), min_size=1, max_size=8))
    targets = smooth_targets(torch.tensor(labels), num_classes, eps)
    torch.testing.assert_close(targets, torch.tensor(reference(labels, num_classes, eps)))
    torch.testing.assert_close(targets.sum(1), torch.ones(len(labels)))


def test_without_smoothing_it_is_the_ordinary_cross_entropy() -> None:
    logits, labels = torch.randn(6, 5), torch.tensor([0, 4, 2, 2, 1, 3])
    smoothed = F.cross_entropy(logits, smooth_targets(labels, 5, 0.0))
    torch.testing.assert_close(smoothed, F.cross_entropy(logits, labels))


def test_the_best_logit_gap_is_the_one_of_the_paper() -> None:
    eps, num_classes = 0.1, 1000
    gap = math.log((num_classes - 1) * (1 - eps) / eps)
    assert gap == approx(9.10, abs=0.005)
    logits = torch.zeros(1, num_classes, dtype=torch.float64)
    logits[0, 3] = gap
    logits.requires_grad_()
    targets = smooth_targets(torch.tensor([3]), num_classes, eps).double()
    F.cross_entropy(logits, targets).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def test_differs_from_pytorchs_smoothing_by_the_known_factor() -> None:
    logits, labels, eps = torch.randn(32, 4), torch.randint(4, (32,)), 0.1
    ours = F.cross_entropy(logits, smooth_targets(labels, 4, eps))
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels, label_smoothing=eps * 4 / 3))
    assert not torch.allclose(ours, F.cross_entropy(logits, labels, label_smoothing=eps))
