"""The loss image by image against mmsegmentation's own over the whole batch."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from transfer.openmmlab import ops_bridge
from transfer.openmmlab.speed.pixel_loss import enlarged_cross_entropy, use_per_image_loss

CLASSES = 5
Build = Callable[..., nn.Module]


@pytest.fixture(scope="module")
def build_head() -> Build:
    ops_bridge.install()
    from mmseg.models.decode_heads import FCNHead

    def build(**options: object) -> nn.Module:
        settings = dict(in_channels=4, channels=4, num_convs=1, num_classes=CLASSES, align_corners=False) | options
        return FCNHead(**settings)

    return build


def batch(height: int = 13, width: int = 17, ignored: float = 0.2) -> tuple[Tensor, list[SimpleNamespace]]:
    """Small logits of three images in channels_last, and labels of which some are ignored."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, CLASSES, 4, 5, generator=generator).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (3, height, width), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < ignored] = 255
    samples = [SimpleNamespace(gt_sem_seg=SimpleNamespace(data=label.unsqueeze(0))) for label in labels]
    return logits.requires_grad_(), samples


def losses_and_gradient(head: nn.Module, logits: Tensor, samples: list[SimpleNamespace]) -> tuple[dict, Tensor]:
    losses = head.loss_by_feat(logits, samples)
    (gradient,) = torch.autograd.grad(losses["loss_ce"] * 3, logits)
    return {name: value.detach() for name, value in losses.items()}, gradient


@pytest.mark.parametrize("ignored", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("weight", [1.0, 0.4])
def test_equals_mmsegmentation(build_head: Build, ignored: float, weight: float) -> None:
    plain = build_head(loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=weight))
    changed = copy.deepcopy(plain)
    assert use_per_image_loss(changed) == 1
    inputs = batch(ignored=ignored)
    expected, expected_gradient = losses_and_gradient(plain, *inputs)
    found, found_gradient = losses_and_gradient(changed, *inputs)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    torch.testing.assert_close(found_gradient, expected_gradient)
    assert bool(found_gradient.any()) == (ignored < 1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(build_head: Build, dtype: torch.dtype) -> None:
    """Double precision is computed here, 16 bits by mmsegmentation as ever: sums over pixels would lose too much."""
    plain = build_head()
    changed = copy.deepcopy(plain)
    use_per_image_loss(changed)
    logits, samples = batch()
    logits = logits.detach().to(dtype).requires_grad_()
    expected, expected_gradient = losses_and_gradient(plain, logits, samples)
    found, found_gradient = losses_and_gradient(changed, logits, samples)
    # mmsegmentation adds float32's epsilon to the number of pixels.
    tolerance = dict(rtol=0 if dtype == torch.bfloat16 else 1e-9, atol=0)
    torch.testing.assert_close(found["loss_ce"], expected["loss_ce"], **tolerance)
    torch.testing.assert_close(found_gradient, expected_gradient, **tolerance)


def test_copies_have_their_own_settings(build_head: Build) -> None:
    """An averaged model is a copy of the one that trains."""
    head = build_head()
    use_per_image_loss(head)
    other = copy.deepcopy(head)
    other.ignore_index = 0
    inputs = batch(ignored=0.0)
    assert not torch.equal(other.loss_by_feat(*inputs)["loss_ce"], head.loss_by_feat(*inputs)["loss_ce"])


def test_the_gradient_is_that_of_the_loss() -> None:
    logits, samples = batch(6, 7)
    labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples])
    small = logits.detach().double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: enlarged_cross_entropy(x, labels, 255)[0], (small,))


def test_enlarged_logits_are_never_copied() -> None:
    """PyTorch knows channels_last by strides, and those of a view of one image may say otherwise."""
    logits, samples = batch()
    labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples])
    with torch.profiler.profile(record_shapes=True) as profile:
        enlarged_cross_entropy(logits, labels, 255)
    copied = [event.input_shapes[0] for event in profile.events() if event.name == "aten::copy_"]
    assert [1, CLASSES, 4, 5] in copied
    assert not [shape for shape in copied if math.prod(shape) >= labels[0].numel() * CLASSES]


@pytest.mark.parametrize(
    "options",
    [
        dict(loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True)),
        dict(loss_decode=dict(type="CrossEntropyLoss", class_weight=[1.0] * CLASSES)),
        dict(loss_decode=[dict(type="CrossEntropyLoss"), dict(type="DiceLoss")]),
        dict(sampler=dict(type="OHEMPixelSampler", thresh=0.7, min_kept=10)),
        dict(align_corners=True),
    ],
    ids=["other mean", "class weights", "two losses", "sampler", "corners"],
)
def test_other_losses_stay(build_head: Build, options: dict) -> None:
    assert use_per_image_loss(build_head(**options)) == 0
