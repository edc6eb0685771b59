"""MobileNet-V1 against timm's."""

from __future__ import annotations

import re

import timm
import torch
from pytest import approx, mark
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from backbones.models import create_backbone, create_classifier

ACTIVATIONS = {"mobilenet_v1": "relu", "mobilenet_v1_relu6": "relu6"}


def reference(name: str, output_stride: int = 32) -> nn.Module:
    """timm's network with random tensors, BatchNorm statistics included."""
    model = timm.create_model("mobilenetv1_100", act_layer=ACTIVATIONS[name], output_stride=output_stride)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) - 0.5)
                if value.ndim > 1:
                    # Of He's variance, so that the images have not faded from the last maps.
                    value.mul_((24 / value[0].numel()) ** 0.5)
                elif not key.endswith(("bias", "running_mean")):
                    value.add_(1)
    return model.double().eval()


def renamed(model: nn.Module) -> dict[str, Tensor]:
    """timm's tensors under our names."""
    tensors = {}
    for key, value in model.state_dict().items():
        name = re.sub(r"^conv_stem\.", "trunk.stem.0.conv.", key)
        name = re.sub(r"^bn1\.", "trunk.stem.0.norm.", name)
        name = re.sub(r"^blocks\.0\.0\.", "trunk.stem.1.", name)
        name = re.sub(r"^blocks\.(\d)\.", r"trunk.stage\1.", name)
        name = name.replace(".conv_dw.", ".depthwise.conv.").replace(".conv_pw.", ".pointwise.conv.")
        name = name.replace(".bn1.", ".depthwise.norm.").replace(".bn2.", ".pointwise.norm.")
        tensors[re.sub(r"^classifier\.", "head.", name)] = value
    return tensors


def images(side: int) -> Tensor:
    return torch.randn(2, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@mark.parametrize("name", ACTIVATIONS)
def test_classifier_equals_an_independent_implementation(name: str) -> None:
    ours, theirs = create_classifier(name, 1000).double().eval(), reference(name)
    ours.load_state_dict(renamed(theirs))
    with torch.no_grad():
        logits = ours(images(65))
        torch.testing.assert_close(logits, theirs(images(65)), rtol=1e-10, atol=1e-10)
    assert (logits[0] - logits[1]).abs().mean() > 0.01


@mark.parametrize("output_stride", [8, 16])
def test_dilated_trunk_equals_an_independent_implementation(output_stride: int) -> None:
    theirs = reference("mobilenet_v1", output_stride)
    classifier = create_classifier("mobilenet_v1", 1000).double()
    classifier.load_state_dict(renamed(theirs))
    dense = create_backbone("mobilenet_v1", output_stride=output_stride).double().eval()
    dense.load_state_dict(classifier.trunk.state_dict())
    with torch.no_grad():
        expected = theirs.forward_features(images(64))
        torch.testing.assert_close(dense(images(64))[-1], expected, rtol=1e-10, atol=1e-10)


def test_the_activations_are_told_apart() -> None:
    """Control: the same tensors in the network that clips give something else."""
    clipped, plain = (create_classifier(name, 1000).double().eval() for name in ("mobilenet_v1_relu6", "mobilenet_v1"))
    tensors = renamed(reference("mobilenet_v1"))
    clipped.load_state_dict(tensors)
    plain.load_state_dict(tensors)
    with torch.no_grad():
        assert not torch.allclose(clipped(images(64)), plain(images(64)))


def test_multiply_adds_are_the_published_ones() -> None:
    """Howard et al., Table 6: 569, 325, 149 and 41 million at 224 pixels."""
    counts = []
    for name in ("mobilenet_v1", "mobilenet_v1_075", "mobilenet_v1_050", "mobilenet_v1_025"):
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            create_classifier(name, 1000)(torch.empty(1, 3, 224, 224))
        counts.append(counter.get_total_flops() / 2e6)
    assert counts == approx([569, 325, 149, 41], abs=1)
