"""Mixup, against a loop over the definition, its invariants and the distribution of its weight."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import mark
from scipy.stats import beta, kstest
from torch import Tensor

from backbones.data.randomness import Purpose, keyed_generator
from backbones.tricks.label_smoothing import smooth_targets
from backbones.tricks.mixup import draw_mix, mix


def reference(batch: Tensor, weight: float) -> Tensor:
    """Image by image in float64: the i-th from the front with the i-th from the back."""
    rows = [values.double().numpy() for values in batch]
    mixed = [weight * rows[i] + (1 - weight) * rows[len(rows) - 1 - i] for i in range(len(rows))]
    return torch.from_numpy(np.stack(mixed)).float()


def batches(count: int, num_classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Normalised images, and class indices."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, 4, 5, generator=generator)
    return images, torch.randint(num_classes, (count,), generator=generator)


WEIGHTS = st.floats(0.0, 1.0)
SIZES = st.integers(1, 9)
CLASSES = st.integers(2, 12)
SEEDS = st.integers(0, 1000)


@settings(deadline=None)
@given(SIZES, CLASSES, WEIGHTS, SEEDS)
def test_equals_the_definition(count: int, num_classes: int, weight: float, seed: int) -> None:
    images, labels = batches(count, num_classes, seed)
    targets = smooth_targets(labels, num_classes, 0.1)
    mixed_images, mixed_targets = mix(images, targets, weight)
    torch.testing.assert_close(mixed_images, reference(images, weight))
    torch.testing.assert_close(mixed_targets, reference(targets, weight))


@settings(deadline=None)
@given(SIZES, CLASSES, WEIGHTS, SEEDS)
def test_conserves_the_mass_of_every_image_and_class(count: int, num_classes: int, weight: float, seed: int) -> None:
    images, labels = batches(count, num_classes, seed)
    targets = smooth_targets(labels, num_classes, 0.1)
    mixed_images, mixed_targets = mix(images, targets, weight)
    torch.testing.assert_close(mixed_targets.sum(1), torch.ones(count))
    # What one image gives away its partner gets, because one weight serves the whole batch.
    torch.testing.assert_close(mixed_targets.sum(0), targets.sum(0))
    torch.testing.assert_close(mixed_images.sum(0), images.sum(0), atol=1e-4, rtol=1e-4)
    assert mixed_targets.min() >= 0


@settings(deadline=None)
@given(SIZES, CLASSES, WEIGHTS, st.floats(0.0, 0.9), SEEDS)
def test_mixing_smoothed_targets_is_smoothing_mixed_ones(
    count: int, num_classes: int, weight: float, eps: float, seed: int
) -> None:
    images, labels = batches(count, num_classes, seed)
    smoothed_first = mix(images, smooth_targets(labels, num_classes, eps), weight)[1]
    mixed = mix(images, smooth_targets(labels, num_classes, 0.0), weight)[1]
    smoothed_last = (1 - eps) * mixed + eps / (num_classes - 1) * (1 - mixed)
    torch.testing.assert_close(smoothed_first, smoothed_last)


def test_weight_one_changes_nothing_and_weight_zero_reverses() -> None:
    images, labels = batches(6, 5, 0)
    targets = smooth_targets(labels, 5, 0.1)
    for weight, expected in ((1.0, [0, 1, 2, 3, 4, 5]), (0.0, [5, 4, 3, 2, 1, 0])):
        mixed_images, mixed_targets = mix(images, targets, weight)
        assert torch.equal(mixed_images, images[expected])
        assert torch.equal(mixed_targets, targets[expected])


@mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_leaves_its_inputs_alone_and_keeps_their_memory_format(memory_format: torch.memory_format) -> None:
    images, labels = batches(4, 5, 0)
    images = images.contiguous(memory_format=memory_format)
    targets = smooth_targets(labels, 5, 0.1)
    before = images.clone(), targets.clone()
    for weight in (0.0, 0.3, 1.0):
        mixed_images, mixed_targets = mix(images, targets, weight)
        assert mixed_images.is_contiguous(memory_format=memory_format)
        mixed_images.zero_()
        mixed_targets.zero_()
    assert torch.equal(images, before[0])
    assert torch.equal(targets, before[1])


@mark.parametrize("alpha", [0.2, 1.0])
def test_weights_of_the_batches_follow_the_beta_distribution(alpha: float) -> None:
    # As training draws them: one from a fresh generator per batch.
    weights = [draw_mix(alpha, keyed_generator(Purpose.MIXUP, 0, 0, number)) for number in range(4000)]
    assert kstest(weights, beta(alpha, alpha).cdf).pvalue > 0.01
    for other in (0.15, 0.25, 0.4, 2.0):
        assert kstest(weights, beta(other, other).cdf).pvalue < 1e-4
    assert all(0 <= weight <= 1 for weight in weights)


def test_most_weights_keep_almost_all_of_one_image() -> None:
    # The figure in the module's docstring.
    kept = beta(0.2, 0.2).cdf(0.03) + beta(0.2, 0.2).sf(0.97)
    assert 0.5 < kept < 0.55


def test_the_weight_depends_on_the_key_only() -> None:
    first = [draw_mix(0.2, keyed_generator(Purpose.MIXUP, 7, 3, number)) for number in range(8)]
    again = [draw_mix(0.2, keyed_generator(Purpose.MIXUP, 7, 3, number)) for number in reversed(range(8))]
    assert first == again[::-1]
    assert len(set(first)) == 8
