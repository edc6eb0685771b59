"""bf16 inside single modules, float32 around them, and never float32 by mistake."""

from __future__ import annotations

import torch
from pytest import raises
from torch import nn

from backbones.errors import UserError
from transfer.openmmlab import ops_bridge
from transfer.openmmlab.speed.bfloat16 import compute_in_bfloat16
from transfer.tasks.segmentation import SEGMENTATION


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(16, 16)
        self.head = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


def test_only_the_named_modules_compute_in_bfloat16() -> None:
    model, plain, x = Model(), Model(), torch.randn(8, 16)
    assert compute_in_bfloat16(model, ("backbone", "neck", "head.1")) == ["backbone", "head.1"]
    for inside, untouched in ((model.backbone, plain.backbone), (model.head[1], plain.head[1])):
        seen = inside(x)
        assert seen.dtype == torch.float32
        assert torch.equal(seen, seen.bfloat16().float())
        assert not torch.equal(seen, untouched(x))
    assert torch.equal(model.head[0](x), plain.head[0](x))


def test_a_run_recorded_as_bfloat16_cannot_be_float32() -> None:
    with raises(UserError, match=r"none of the modules .* \(trunk, neck\); give --precision fp32"):
        compute_in_bfloat16(Model(), ("trunk", "neck"))
    wrapped = nn.Module()
    wrapped.module = Model()  # as DistributedDataParallel holds it
    with raises(UserError, match="none of the modules"):
        compute_in_bfloat16(wrapped, ("backbone",))
    assert compute_in_bfloat16(wrapped.module, ("backbone",)) == ["backbone"]
    assert compute_in_bfloat16(Model(), ()) == []  # float32 was asked for


def test_a_head_computes_all_but_its_logits_in_bfloat16() -> None:
    """Those of a head that sees its input once more, too: that convolution is half of its arithmetic."""
    ops_bridge.install()
    from mmseg.models.decode_heads import FCNHead

    model = nn.Module()
    model.decode_head = FCNHead(in_channels=4, channels=4, num_classes=3, num_convs=1, concat_input=True)
    compute_in_bfloat16(model, SEGMENTATION.bfloat16_modules)
    precisions: dict[str, torch.dtype] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, output, name=name: precisions.update({name: output.dtype}))
    model.decode_head([torch.randn(2, 4, 6, 6)])
    assert precisions == {
        "decode_head.convs.0.conv": torch.bfloat16,
        "decode_head.conv_cat.conv": torch.bfloat16,
        "decode_head.conv_seg": torch.float32,
    }
