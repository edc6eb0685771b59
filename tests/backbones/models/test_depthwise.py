"""Gradients of depthwise convolutions in bf16, against float64 and against PyTorch's own in bf16."""

from __future__ import annotations

from copy import deepcopy

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import fixture, mark
from timm.layers import Conv2dSame
from torch import Tensor, nn

from backbones.models import create_classifier
from backbones.models.convolution import Convolution
from backbones.models.depthwise import quicken_depthwise

KINDS = (nn.Conv2d, Convolution, Conv2dSame)


def gradients(layer: nn.Module, images: Tensor, bfloat16: bool = True) -> list[Tensor]:
    """Output, and what the gradient of a fixed mixture of it is with respect to images and parameters."""
    layer.zero_grad()
    images = images.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        output = layer(images)
    mixture = torch.randn(output.shape, generator=torch.Generator().manual_seed(2)).bfloat16().to(output.dtype)
    output.backward(mixture)
    return [output.detach(), images.grad, *(each.grad.clone() for each in layer.parameters())]


def rounded(layer: nn.Module) -> nn.Module:
    """The same in float64, with the weights that bf16 sees."""
    exact = deepcopy(layer).double()
    with torch.no_grad():
        for each in exact.parameters():
            each.copy_(each.bfloat16())
    return exact


@given(
    kind=st.sampled_from(KINDS),
    channels=st.integers(2, 5),
    multiplier=st.integers(1, 2),
    kernel_and_stride=st.sampled_from([(3, 2), (3, 3), (4, 1), (5, 1), (5, 2), (1, 2)]),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_gradients_are_exact_to_a_rounding(
    kind: type[nn.Conv2d],
    channels: int,
    multiplier: int,
    kernel_and_stride: tuple[int, int],
    padding: int,
    dilation: int,
    bias: bool,
) -> None:
    torch.manual_seed(0)
    layer = kind(channels, channels * multiplier, *kernel_and_stride, padding, dilation, groups=channels, bias=bias)
    images = torch.randn(2, channels, 11, 10).bfloat16().float()
    exact = gradients(rounded(layer), images.double(), bfloat16=False)
    plain = deepcopy(layer)
    assert quicken_depthwise(layer) == 1
    ours = gradients(layer, images)
    # Output: one rounding to 8 bits, and one more of the sum with the bias, as PyTorch does.
    tolerances = (1e-2, 5e-3, 1e-5, 1e-2) if bias else (1e-2, 5e-3, 1e-5)
    for seen, wanted, tolerance in zip(ours, exact, tolerances, strict=True):
        torch.testing.assert_close(seen.double(), wanted, rtol=tolerance, atol=tolerance * float(wanted.abs().max()))
    assert [each.dtype for each in ours] == [each.dtype for each in gradients(plain, images)]
    assert [each.shape for each in ours] == [each.shape for each in gradients(plain, images)]


@fixture(params=KINDS, ids=lambda kind: kind.__name__)
def pair(request: object) -> tuple[nn.Module, nn.Module, Tensor]:
    """A layer as it was, the same quickened, and images."""
    torch.manual_seed(0)
    plain = request.param(6, 6, 5, 2, 2, groups=6)  # type: ignore[attr-defined]
    quick = deepcopy(plain)
    quicken_depthwise(quick)
    return plain, quick, torch.randn(2, 6, 12, 12)


def test_its_weights_are_nearer_to_exact_than_pytorchs(pair: tuple[nn.Module, nn.Module, Tensor]) -> None:
    plain, quick, images = pair
    images = images.bfloat16().float()
    exact = gradients(rounded(plain), images.double(), bfloat16=False)[2]
    errors = [float((gradients(layer, images)[2].double() - exact).abs().max()) for layer in (quick, plain)]
    assert errors[0] < errors[1] / 10


def test_float32_evaluation_and_copies_stay_as_they_are(pair: tuple[nn.Module, nn.Module, Tensor]) -> None:
    plain, quick, images = pair
    for seen, wanted in zip(gradients(quick, images, False), gradients(plain, images, False), strict=True):
        assert torch.equal(seen, wanted)
    copied = deepcopy(quick)
    with torch.no_grad():
        copied.weight.zero_()  # a copy computes with its own tensors
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(quick(images), plain(images))
    assert not gradients(copied, images)[1].any()
    assert gradients(quick, images)[1].any()
    assert list(quick.state_dict()) == list(plain.state_dict())


@mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 6, 5, groups=3),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.Conv2d(1, 4, 5),
        nn.Conv2d(6, 6, 5, groups=6, padding="same"),
        nn.Conv2d(6, 6, 5, groups=6, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(6, 6, 3, groups=6),
    ],
    ids=["groups", "no stride", "one channel", "padding by name", "reflected", "transposed"],
)
def test_what_is_left_alone(layer: nn.Module) -> None:
    assert quicken_depthwise(layer) == 0


def test_a_network_is_quickened_once() -> None:
    model = create_classifier("mobilenet_v1", 3)
    assert quicken_depthwise(model) == 4
    assert quicken_depthwise(model) == 0
