"""Inception-V3 against torchvision's."""

from __future__ import annotations

import re

import torch
import torchvision
from pytest import approx, mark, raises
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from backbones.models import create_backbone, create_classifier
from backbones.models.inception import AveragePool

MODULES = {
    "Conv2d_1a_3x3": "trunk.stem.0",
    "Conv2d_2a_3x3": "trunk.stem.1",
    "Conv2d_2b_3x3": "trunk.stem.2",
    "Conv2d_3b_1x1": "trunk.stage1.0",
    "Conv2d_4a_3x3": "trunk.stage1.1",
    **{f"Mixed_5{letter}": f"trunk.stage2.{number}" for number, letter in enumerate("bcd", start=1)},
    **{f"Mixed_6{letter}": f"trunk.stage3.{number}" for number, letter in enumerate("abcde")},
    **{f"Mixed_7{letter}": f"trunk.stage4.{number}" for number, letter in enumerate("abc")},
    "fc": "head",
    "AuxLogits.conv0": "aux_head.conv1",
    "AuxLogits.conv1": "aux_head.conv2",
    "AuxLogits.fc": "aux_head.fc",
}
BRANCHES = {
    "branch1x1": "conv1",
    "branch5x5": "conv5",
    "branch3x3": "conv3",
    "branch3x3dbl": "conv3_twice",
    "branch7x7": "conv7",
    "branch7x7dbl": "conv7_twice",
    "branch7x7x3": "conv7_conv3",
    "branch_pool": "pool.1",
}


def our_name(key: str) -> str:
    """Our name of a torchvision tensor."""
    module = max((name for name in MODULES if key.startswith(name + ".")), key=len)
    rest = key.removeprefix(module).replace(".bn.", ".norm.")
    if found := re.match(r"\.(branch_pool|branch\w+?x\d(?:dbl)?)(?:_(\d)([ab]?))?\.(.*)", rest):
        branch, number, half, rest = found.groups()
        position = "" if number is None else f".{int(number) - 1}"
        rest = f".{BRANCHES[branch]}{position}{dict(a='.row', b='.column').get(half, '')}.{rest}"
    return MODULES[module] + rest


def reference(auxiliary: bool) -> nn.Module:
    """torchvision's network with random tensors, BatchNorm statistics included."""
    model = torchvision.models.inception_v3(
        aux_logits=auxiliary, transform_input=False, init_weights=False, num_classes=100
    )
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
    return model.double()


def images(side: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@mark.parametrize("auxiliary", [False, True])
@mark.parametrize("side", [75, 107])
def test_classifier_equals_an_independent_implementation(auxiliary: bool, side: int) -> None:
    ours, theirs = create_classifier("inception_v3", 100, auxiliary=auxiliary).double().eval(), reference(auxiliary)
    ours.load_state_dict({our_name(key): value for key, value in theirs.state_dict().items()})
    with torch.no_grad():
        logits = ours(images(side))
        torch.testing.assert_close(logits, theirs.eval()(images(side)), rtol=1e-10, atol=1e-10)
    assert (logits[0] - logits[1]).abs().mean() > 0.01


def test_auxiliary_logits_in_training_equal_an_independent_implementation() -> None:
    """At 299 pixels, the smallest images that torchvision's auxiliary head and ours can look at."""
    ours, theirs = create_classifier("inception_v3", 100, auxiliary=True).double(), reference(auxiliary=True)
    ours.load_state_dict({our_name(key): value for key, value in theirs.state_dict().items()})
    ours.dropout.p = theirs.dropout.p = 0.0
    with torch.no_grad():
        logits, auxiliary = ours.train()(images(ours.smallest_image))
        expected = theirs.train()(images(299))
    torch.testing.assert_close(logits, expected.logits, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(auxiliary, expected.aux_logits, rtol=1e-10, atol=1e-10)
    with raises(RuntimeError, match=r"(?i)kernel size"):
        ours(images(298))


def test_padding_changes_no_tensor() -> None:
    with torch.device("meta"):
        shapes = [
            {name: value.shape for name, value in create_backbone("inception_v3", **options).state_dict().items()}
            for options in ({}, {"padded": True}, {"padded": True, "output_stride": 8})
        ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_padded_maps_are_the_unpadded_ones_away_from_the_border() -> None:
    """Unpadded, position 0 of the second stage looks at pixel 13; padded, at pixel 0. Its view reaches 63 pixels."""
    classifier = create_classifier("inception_v3", 100).double()
    classifier.load_state_dict({our_name(key): value for key, value in reference(False).state_dict().items()})
    valid = classifier.trunk.eval()
    valid.out_indices = (1,)
    padded = create_backbone("inception_v3", out_indices=(1,), padded=True).double().eval()
    padded.load_state_dict(valid.state_dict())
    picture = images(200, count=1)
    with torch.no_grad():
        expected = valid(picture)[0]
        # Without its first 5 pixels, pixel 8 of what remains is pixel 13 of the picture.
        seen = padded(picture[..., 5:, 5:])[0]
    inside = slice(8, 15)
    torch.testing.assert_close(seen[..., inside, inside], expected[..., 7:14, 7:14])
    assert not torch.allclose(seen[..., :6, :6], expected[..., :6, :6])


@mark.parametrize("dilation", [1, 2, 4])
def test_average_pool_is_the_mean_of_nine_positions(dilation: int) -> None:
    x = images(12)
    around = nn.functional.pad(x, (dilation,) * 4)
    positions = [around[..., i * dilation :, j * dilation :][..., :12, :12] for i in range(3) for j in range(3)]
    torch.testing.assert_close(AveragePool(dilation)(x), torch.stack(positions).mean(dim=0))


def test_multiply_adds_and_map_sizes_are_the_published_ones() -> None:
    """torchvision's page says 5.71 billion; the sizes are those of the publication's Table 1 at 299 pixels."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model = create_classifier("inception_v3", 1000)
        model.trunk.out_indices = (0, 1, 2, 3)
        maps = model.trunk(torch.empty(1, 3, 299, 299))
    assert counter.get_total_flops() / 2e9 == approx(5.71, abs=0.01)
    assert [x.shape[-1] for x in maps] == [71, 35, 17, 8]
