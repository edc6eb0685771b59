"""Zero gamma: residual blocks that start as their shortcut."""

from __future__ import annotations

import torch
from pytest import mark, raises
from torch import nn

from backbones.errors import UserError
from backbones.models import create_backbone
from backbones.tricks.zero_gamma import zero_last_gamma


@mark.parametrize(("name", "blocks"), [("resnet18_d", 8), ("resnet50_a", 16)])
def test_every_residual_block_returns_its_shortcut(name: str, blocks: int) -> None:
    trunk = create_backbone(name).eval()
    residual = [module for module in trunk.modules() if hasattr(module, "last_norm")]
    x = torch.rand(1, 64, 8, 8)
    assert not torch.equal(residual[0](x), residual[0].shortcut(x).relu())
    assert zero_last_gamma(trunk) == blocks == len(residual)
    for block in residual:
        torch.testing.assert_close(block(x), block.shortcut(x).relu())
        x = block(x)


def test_the_option_of_the_network_is_the_same_thing() -> None:
    torch.manual_seed(0)
    by_option = create_backbone("resnet18_d", zero_gamma=True).state_dict()
    torch.manual_seed(0)
    by_function = create_backbone("resnet18_d")
    untouched = {name: value.clone() for name, value in by_function.state_dict().items()}
    zero_last_gamma(by_function)
    changed = set()
    for name, value in by_function.state_dict().items():
        assert torch.equal(value, by_option[name])
        if not torch.equal(value, untouched[name]):
            changed.add(name)
    assert len(changed) == 8
    assert all(name.endswith("conv2.norm.weight") for name in changed)


def test_a_network_without_residual_blocks_is_refused() -> None:
    with raises(UserError, match="needs residual blocks"):
        zero_last_gamma(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
