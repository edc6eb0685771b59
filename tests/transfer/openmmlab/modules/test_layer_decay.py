"""Learning rates by stage against the rule written out, for a pyramid and for a plain transformer."""

from __future__ import annotations

import timm
from pytest import approx, fixture, mark, raises
from timm.optim import param_groups_weight_decay
from torch import nn

from backbones.errors import UserError
from backbones.models import create_backbone
from transfer.openmmlab import ops_bridge

RATE, DECAY = 1e-3, 0.05


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


class Model(nn.Module):
    def __init__(self, network: str) -> None:
        super().__init__()
        self.backbone = create_backbone(network)
        self.head = nn.Conv2d(2, 3, 1)


def groups(network: str, layer_decay: float = 0.5, frozen: int = -1) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay by the name of each parameter that the optimizer has."""
    from mmengine.optim import build_optim_wrapper

    from transfer.openmmlab.modules.layer_decay import NAME

    model = Model(network)
    model.backbone.freeze(frozen)
    wrapper = build_optim_wrapper(
        model,
        {
            "type": "OptimWrapper",
            "optimizer": {"type": "AdamW", "lr": RATE, "weight_decay": DECAY},
            "constructor": NAME,
            "paramwise_cfg": {"layer_decay": layer_decay},
        },
    )
    assert wrapper.get_lr()["lr"][0] == RATE
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [
        (names[id(parameter)], (group["lr"], group["weight_decay"]))
        for group in wrapper.optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len(found) == len(dict(found)) == sum(each.requires_grad for each in model.parameters())
    return dict(found)


def test_a_pyramid_decays_from_stage_to_stage() -> None:
    rates = groups("timm:convnext_atto")
    expected = {"stem": 5, "stages.0": 4, "stages.1": 3, "stages.2": 2, "stages.3": 1}
    model = timm.create_model("convnext_atto")
    spared, _ = param_groups_weight_decay(model, DECAY)
    exempt = {name for name, each in model.named_parameters() if any(each is other for other in spared["params"])}
    for name, (rate, decay) in rates.items():
        place = name.removeprefix("backbone.model.")
        steps = next((each for start, each in expected.items() if place.startswith(start)), 0)
        assert rate == approx(RATE * 0.5**steps), name
        assert decay == (0.0 if place in {*exempt, "head.bias"} else DECAY), name
    assert rates["head.weight"] == (RATE, DECAY)


def test_a_plain_transformer_decays_from_block_to_block_and_spares_its_embeddings() -> None:
    rates = groups("timm:vit_tiny_patch16_224")
    assert rates["backbone.model.blocks.11.mlp.fc1.weight"] == (approx(RATE * 0.5), DECAY)
    assert rates["backbone.model.blocks.0.mlp.fc1.weight"] == (approx(RATE * 0.5**12), DECAY)
    assert rates["backbone.model.patch_embed.proj.weight"] == (approx(RATE * 0.5**13), DECAY)
    for name in ("pos_embed", "cls_token"):
        assert rates[f"backbone.model.{name}"] == (approx(RATE * 0.5**13), 0.0)


def test_the_papers_own_networks_decay_too_and_what_is_frozen_is_left_out() -> None:
    rates = groups("resnet18_d", frozen=1)
    assert not any(name.startswith(("backbone.stem", "backbone.stage1")) for name in rates)
    assert rates["backbone.stage2.0.conv1.conv.weight"] == (approx(RATE * 0.5**3), DECAY)
    assert rates["backbone.stage4.1.conv2.norm.weight"] == (approx(RATE * 0.5), 0.0)


@mark.parametrize("layer_decay", [0, -1, 1.5, "x", None])
def test_other_decays_are_refused(layer_decay: object) -> None:
    with raises(UserError, match=r"optim_wrapper\.paramwise_cfg is .* a number above 0 and at most 1"):
        groups("resnet18_d", layer_decay)  # type: ignore[arg-type]
