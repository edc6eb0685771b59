"""The ResNets against torchvision's and timm's, and against the paper's own figures."""

from __future__ import annotations

import torch
import torchvision
from pytest import approx, mark
from timm.models.resnet import BasicBlock as TimmBasicBlock
from timm.models.resnet import Bottleneck as TimmBottleneck
from timm.models.resnet import ResNet as TimmResNet
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from backbones.models import create_backbone, create_classifier

LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def reference(depth: int, variant: str, output_stride: int = 32) -> nn.Module:
    """An independent network of the same architecture, with its tensors in the same order."""
    if variant in "ab":
        dilate = [False, output_stride < 16, output_stride < 32]
        options = {} if depth < 50 else {"replace_stride_with_dilation": dilate}
        model = getattr(torchvision.models, f"resnet{depth}")(**options)
        if variant == "a" and depth >= 50:
            for stage in (model.layer2, model.layer3, model.layer4):
                block = stage[0]
                block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
        return model
    model = TimmResNet(
        TimmBasicBlock if depth < 50 else TimmBottleneck,
        LAYERS[depth],
        stem_width=32,
        stem_type="deep",
        avg_down=variant == "d",
        output_stride=output_stride,
    )
    if variant == "d":
        # Where a stride became a dilation timm still averages 2x2; GluonCV and mmsegmentation, like us, do not.
        for stage, stride in zip((model.layer3, model.layer4), (16, 32), strict=True):
            if output_stride < stride:
                stage[0].downsample[0] = nn.Identity()
    return model


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Random, distinct values for everything, BatchNorm statistics included, into both networks."""
    generator = torch.Generator().manual_seed(0)
    pairs = list(zip(source.state_dict().items(), target.state_dict().items(), strict=True))
    for (name, one), (other_name, other) in pairs:
        assert one.shape == other.shape, (name, other_name)
        if one.is_floating_point():
            values = torch.rand(one.shape, generator=generator, dtype=torch.float64) - 0.5
            if one.ndim > 1:
                # Of He's variance, so that the images have not faded from the last maps.
                values *= (24 / one[0].numel()) ** 0.5
            elif not name.endswith(("bias", "running_mean")):
                values += 1
            one.copy_(values)
            other.copy_(values)


@mark.slow
@mark.parametrize(
    ("depth", "variant"),
    [*((depth, variant) for depth in (18, 50) for variant in "abcd"), (34, "a"), (34, "d"), (101, "b"), (152, "d")],
)
def test_classifier_equals_an_independent_implementation(depth: int, variant: str) -> None:
    ours = create_classifier(f"resnet{depth}_{variant}", 1000).double().eval()
    theirs = reference(depth, variant).double().eval()
    with torch.no_grad():
        copy_in_order(theirs, ours)
        images = torch.randn(2, 3, 65, 65, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        logits = ours(images)
        torch.testing.assert_close(logits, theirs(images), rtol=1e-10, atol=1e-10)
    assert (logits[0] - logits[1]).abs().mean() > 0.01


@mark.parametrize(("depth", "variant"), [(50, "b"), (18, "d"), (50, "d"), (50, "c")])
@mark.parametrize("output_stride", [8, 16])
def test_dilated_trunk_equals_an_independent_implementation(depth: int, variant: str, output_stride: int) -> None:
    theirs = reference(depth, variant, output_stride).double().eval()
    ours = create_classifier(f"resnet{depth}_{variant}", 1000).double().eval()
    dense = create_backbone(f"resnet{depth}_{variant}", output_stride=output_stride).double().eval()
    with torch.no_grad():
        copy_in_order(theirs, ours)
        dense.load_state_dict(ours.trunk.state_dict())
        images = torch.randn(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        expected = (
            theirs.forward_features(images)
            if isinstance(theirs, TimmResNet)
            else nn.Sequential(*list(theirs.children())[:-2])(images)
        )
        torch.testing.assert_close(dense(images)[-1], expected, rtol=1e-10, atol=1e-10)


# Table 5: multiply-adds of ResNet-50 at 224 pixels, in billions as printed there.
@mark.parametrize(("variant", "billions"), [("a", 3.8), ("b", 4.1), ("c", 4.3), ("d", 4.3)])
def test_flops_and_parameters_are_table_5s(variant: str, billions: float) -> None:
    with torch.device("meta"):
        model = create_classifier(f"resnet50_{variant}", 1000)
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, 224, 224))
    # The counter counts a multiply-add as two operations.
    assert counter.get_total_flops() / 2e9 == approx(billions, abs=0.06)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == approx(25.6, abs=0.1)


def test_basic_blocks_have_no_b_tweak() -> None:
    a, b = create_backbone("resnet18_a"), create_backbone("resnet18_b")
    b.load_state_dict(a.state_dict())
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(a.eval()(images)[-1], b.eval()(images)[-1])


def test_the_tweaks_are_told_apart() -> None:
    """Control: with the tensors of a, b computes something else in a bottleneck network."""
    a, b = create_backbone("resnet50_a").eval(), create_backbone("resnet50_b").eval()
    b.load_state_dict(a.state_dict())
    images = torch.randn(1, 3, 64, 64)
    assert not torch.allclose(a(images)[-1], b(images)[-1])


def test_zero_gamma_makes_blocks_the_identity() -> None:
    trunk = create_backbone("resnet18_d", zero_gamma=True).eval()
    x = torch.rand(1, 64, 8, 8)
    assert torch.equal(trunk.stage1(x), x)
    assert not torch.equal(create_backbone("resnet18_d").eval().stage1(x), x)


def test_xavier_initialisation_has_the_stated_bound() -> None:
    trunk = create_backbone("resnet50_d")
    weight = trunk.stage2[1].conv2.conv.weight
    bound = (6 / (9 * 128 + 9 * 128)) ** 0.5
    assert weight.abs().max().item() == approx(bound, rel=0.01)
    assert weight.std().item() == approx(bound / 3**0.5, rel=0.02)
