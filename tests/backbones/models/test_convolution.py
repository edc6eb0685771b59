"""Convolutions of few positions, against PyTorch's own."""

from __future__ import annotations

from contextlib import nullcontext
from unittest.mock import patch

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import mark, raises
from torch import Tensor, nn

from backbones.models import create_classifier
from backbones.models.convolution import Convolution, adopt_convolutions, no_products

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def maps(*shape: int) -> Tensor:
    numbers = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return numbers.contiguous(memory_format=torch.channels_last).requires_grad_()


def both(*arguments: object, **options: object) -> tuple[Convolution, nn.Conv2d]:
    """Ours, and PyTorch's with the same tensors."""
    ours, theirs = (kind(*arguments, **options).double() for kind in (Convolution, nn.Conv2d))
    theirs.load_state_dict(ours.state_dict())
    return ours.to(memory_format=torch.channels_last), theirs.to(memory_format=torch.channels_last)


def uses_the_product(convolution: Convolution, images: Tensor) -> bool:
    with patch.object(Convolution, "_product", side_effect=Convolution._product, autospec=True) as product:
        convolution(images)
    return product.called


@given(
    kernel=pairs,
    stride=pairs,
    dilation=pairs,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    size=st.tuples(st.integers(7, 9), st.integers(7, 9)),
    bias=st.booleans(),
)
@settings(deadline=None)
def test_output_and_gradients_are_those_of_conv2d(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
    size: tuple[int, int],
    bias: bool,
) -> None:
    ours, theirs = both(5, 3, kernel, stride, padding, dilation, bias=bias)
    images = [maps(2, 5, *size) for _ in range(2)]
    assert uses_the_product(ours, images[0])
    outputs = [layer(image) for layer, image in zip((ours, theirs), images, strict=True)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        (output * torch.arange(output.numel()).view_as(output)).sum().backward()
    torch.testing.assert_close(images[0].grad, images[1].grad)
    for parameter, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, reference.grad)


def test_gradients_lie_in_memory_like_their_weights() -> None:
    """Otherwise every update would copy them."""
    convolution, _ = both(5, 3, 3)
    images = maps(2, 5, 3, 3)
    convolution(images).sum().backward()
    assert convolution.weight.grad.stride() == convolution.weight.stride()
    assert images.grad.is_contiguous(memory_format=torch.channels_last)


@mark.parametrize(("count", "few"), [(128, True), (129, False)])
def test_few_positions_only(count: int, few: bool) -> None:
    convolution, _ = both(2, 3, 3, padding=1)
    assert uses_the_product(convolution, maps(count, 2, 2, 2)) is few


def test_in_evaluation_mode_it_is_conv2d_to_the_last_bit() -> None:
    ours, theirs = (layer.float() for layer in both(64, 64, 3, padding=1))
    images = maps(4, 64, 2, 2).detach().float()
    assert uses_the_product(ours, images)
    with torch.no_grad():
        assert uses_the_product(ours, images)  # a loss without gradient is that with one
    ours.eval()
    assert not uses_the_product(ours, images)
    assert torch.equal(ours(images), theirs(images))


def test_depthwise_mirrored_and_channels_first_are_conv2d() -> None:
    assert uses_the_product(both(4, 4, 3, padding=1)[0], maps(2, 4, 5, 5))
    assert not uses_the_product(both(4, 4, 3, groups=4)[0], maps(2, 4, 5, 5))
    assert not uses_the_product(both(4, 4, 3, padding=1, padding_mode="reflect")[0], maps(2, 4, 5, 5))
    assert not uses_the_product(Convolution(4, 4, 3).double(), maps(2, 4, 5, 5))


def test_a_map_smaller_than_the_kernel_is_refused_as_by_conv2d() -> None:
    ours, theirs = both(2, 2, 5)
    for layer in (ours, theirs):
        with raises(RuntimeError, match=r"[Kk]ernel size"):
            layer(maps(1, 2, 3, 3))


def test_every_network_trains_with_it() -> None:
    for name in ("resnet18_d", "resnet50_b", "mobilenet_v1_025", "inception_v3"):
        with torch.device("meta"):
            kinds = {type(module) for module in create_classifier(name, 2).modules() if isinstance(module, nn.Conv2d)}
        assert kinds == {Convolution}


def test_a_step_in_bf16_is_as_far_from_float32_as_pytorchs() -> None:
    def gradients(low: bool, product: bool) -> Tensor:
        torch.manual_seed(0)
        model = create_classifier("resnet18_d", 10).to(memory_format=torch.channels_last).train()
        images = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(2)) - 0.5
        with nullcontext() if product else no_products():
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                logits = model(images.contiguous(memory_format=torch.channels_last))
            nn.functional.cross_entropy(logits.float(), torch.arange(8)).backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    exact = gradients(low=False, product=False)
    assert not torch.equal(gradients(low=False, product=True), exact)  # it was used
    torch.testing.assert_close(gradients(low=False, product=True), exact, rtol=1e-3, atol=1e-4 * float(exact.std()))
    theirs, ours = ((gradients(low=True, product=each) - exact).norm() for each in (False, True))
    assert ours < 1.1 * theirs


def test_the_convolutions_of_others_are_adopted_and_compute_the_same() -> None:
    torch.manual_seed(0)
    theirs = create_classifier("timm:resnet18d", 3).double().train()
    names = list(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    theirs.to(memory_format=torch.channels_last)
    before = theirs(images)
    count = sum(type(module) is nn.Conv2d for module in theirs.modules())
    assert adopt_convolutions(theirs) == count == sum(type(module) is Convolution for module in theirs.modules()) > 0
    assert adopt_convolutions(theirs) == 0
    torch.testing.assert_close(theirs(images), before)
    assert list(theirs.state_dict()) == names


@mark.parametrize("options", [{"padding": "same"}, {"padding": 1, "padding_mode": "reflect"}])
def test_other_padding_is_left_alone(options: dict[str, object]) -> None:
    layer = nn.Conv2d(2, 2, 3, **options)  # type: ignore[arg-type]
    assert adopt_convolutions(layer) == 0
    assert type(layer) is nn.Conv2d
