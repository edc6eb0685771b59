"""Networks of timm as trunks, held against timm's own models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import timm
import torch
from pytest import fixture, mark, param, raises
from torch import Tensor, nn

from backbones.bundles.bundle import make_bundle, read_bundle, write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.bundles.ledger import (
    MAPPED,
    ProofError,
    count_classes,
    load_classifier,
    load_trunk,
    take_ledger,
    take_parts_ledger,
)
from backbones.bundles.loading import initialise_from, trained_classifier
from backbones.errors import UserError
from backbones.models import (
    Classifier,
    check_network,
    create_backbone,
    create_classifier,
    default_image_size,
    list_backbones,
    pyramid,
)
from backbones.models.sync_batch_norm import synchronise_batch_norm
from backbones.models.timm_trunk import DROPPED_HEAD, DROPPED_TAIL, TimmTrunk
from backbones.tricks.zero_gamma import undo_zero_last_gamma, zero_last_gamma

CLASSES = 5
SIDE = 64
# By network: strides of its maps, and whether timm can dilate it.
SMALL: dict[str, tuple[tuple[int, ...], bool]] = {
    "tf_efficientnet_lite0": ((2, 4, 8, 16, 32), True),
    "efficientnet_b0": ((2, 4, 8, 16, 32), True),
    "mobilenetv3_large_100": ((2, 4, 8, 16, 32), False),
    "regnety_004": ((2, 4, 8, 16, 32), True),
    "convnext_atto": ((4, 8, 16, 32), True),
    "vit_tiny_patch16_224": ((16,) * 12, False),
    "eva02_tiny_patch14_224": ((14,) * 12, False),
}
LARGE: dict[str, tuple[tuple[int, ...], bool]] = {
    "resnext50_32x4d": ((2, 4, 8, 16, 32), True),
    "seresnet50": ((2, 4, 8, 16, 32), True),
    "res2net50_26w_4s": ((2, 4, 8, 16, 32), True),
    "densenet121": ((2, 4, 8, 16, 32), False),
    "hrnet_w18_small": ((2, 4, 8, 16, 32), False),
    "vgg16_bn": ((1, 2, 4, 8, 16, 32), False),
    "swin_tiny_patch4_window7_224": ((4, 8, 16, 32), False),
}
# Of the larger ones without what the others lack, `make test-all` alone.
MORE = ("resnext50_32x4d", "seresnet50", "res2net50_26w_4s", "vgg16_bn")
EACH = [
    *SMALL,
    *(param(name, marks=[mark.slow, mark.exhaustive] if name in MORE else [mark.slow]) for name in LARGE),
]
KNOWN = SMALL | LARGE


def images(side: int, count: int = 1) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@cache
def classifier(name: str) -> Classifier:
    """Of ``CLASSES`` classes, with statistics that are not the initial ones."""
    torch.manual_seed(0)
    model = create_classifier(f"timm:{name}", CLASSES)
    undo_zero_last_gamma(model.trunk)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(images(SIDE, count=4))
    return model.eval()


@cache
def bundle(name: str):
    network = f"timm:{name}"
    return make_bundle(classifier(name), network, imagenet_contract(SIDE), {"recipe": "r"}, "memory")


@fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Two dozen networks are no longer needed when these tests are done."""
    yield
    classifier.cache_clear()
    bundle.cache_clear()


def timms_own(name: str) -> nn.Module:
    """timm's model with the classifier's tensors, loaded strictly under timm's own names."""
    model = timm.create_model(name, num_classes=CLASSES)
    tensors = classifier(name).state_dict()
    assert all(key.startswith("trunk.model.") for key in tensors)
    model.load_state_dict({key.removeprefix("trunk.model."): value for key, value in tensors.items()}, strict=True)
    return model.eval()


@mark.parametrize("name", EACH)
def test_logits_and_maps_are_timms_to_the_last_bit(name: str) -> None:
    """At the network's own size, which timm's model without further arguments takes; a trunk without head, too."""
    model, trunk = timms_own(name), create_backbone(f"timm:{name}").eval()
    load_trunk(trunk, bundle(name))
    batch = images(default_image_size(f"timm:{name}"))
    with torch.no_grad():
        assert torch.equal(classifier(name)(batch), model(batch))
        expected = model.forward_intermediates(batch, output_fmt="NCHW", intermediates_only=True)
        found = trunk(batch)
        assert len(found) == len(expected) == len(KNOWN[name][0])
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
        # Control: the comparison is of computed values.
        next(trunk.parameters()).mul_(1.5)
        assert not torch.equal(trunk(batch)[-1], expected[-1])
    strides = tuple(info.stride for info in trunk.feature_info)
    assert strides == KNOWN[name][0]
    assert [info.channels for info in trunk.feature_info] == [grid.shape[1] for grid in found]
    assert all(grid.shape[2] == -(-batch.shape[2] // stride) for grid, stride in zip(found, strides, strict=True))


@mark.parametrize("name", EACH)
def test_every_tensor_has_one_fate(name: str) -> None:
    trunk = create_backbone(f"timm:{name}")
    ledger = load_trunk(trunk, bundle(name))
    fates = Counter(entry.fate for entry in ledger.entries)
    assert sum(fates.values()) == len(classifier(name).state_dict())
    assert fates[MAPPED] == len(trunk.state_dict())
    assert set(fates) <= {MAPPED, DROPPED_HEAD, DROPPED_TAIL}
    head = timm.get_pretrained_cfg(name).classifier
    dropped = [entry.source for entry in ledger.entries if entry.fate == DROPPED_HEAD]
    assert dropped == [f"trunk.model.{head}.weight", f"trunk.model.{head}.bias"]
    # No map of timm's own model depends on what came off: a slow reference, tensor by tensor.
    model = timms_own(name)
    maps = model.forward_intermediates(images(default_image_size(f"timm:{name}")), intermediates_only=True)
    sum(grid.sum() for grid in maps).backward()
    without = {key for key, parameter in model.named_parameters() if parameter.grad is None}
    left = {entry.source.removeprefix("trunk.model.") for entry in ledger.entries if entry.fate != MAPPED}
    assert left & dict(model.named_parameters()).keys() == without
    assert take_parts_ledger(bundle(name), {"backbone": trunk}).mapped == ledger.mapped


@mark.parametrize(("name", "frozen"), [*((name, 0) for name in SMALL), *((name, 2) for name in SMALL)])
def test_frozen_stages_do_not_move_and_the_others_do(name: str, frozen: int) -> None:
    trunk = create_backbone(f"timm:{name}").freeze(frozen).train()
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    optimizer = torch.optim.SGD([each for each in trunk.parameters() if each.requires_grad], lr=1.0)
    sum(grid.float().square().mean() for grid in trunk(images(SIDE, count=2))).backward()
    optimizer.step()
    after = trunk.state_dict()
    moved = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert {trunk.stage_of(key) for key in moved} == {trunk.stage_of(key) for key in after} - set(range(frozen + 1))
    held = {key for key in after if trunk.stage_of(key) <= frozen}
    assert not held & moved
    assert not [module for module in trunk.modules() if _holds_only(module, held, trunk) and module.training]


def _holds_only(module: nn.Module, held: set[str], trunk: nn.Module) -> bool:
    name = next(key for key, each in trunk.named_modules() if each is module)
    tensors = list(module.state_dict())
    return bool(tensors) and all(f"{name}.{key}" in held for key in tensors)


def test_stages_of_tensors_are_those_of_the_networks_authors() -> None:
    trunk = create_backbone("timm:convnext_atto")
    expected = {key: int(key.split(".")[2]) + 1 if ".stages." in key else 0 for key in trunk.state_dict()}
    assert {key: trunk.stage_of(key) for key in expected} == expected
    trunk = create_backbone("timm:vit_tiny_patch16_224")
    assert {trunk.stage_of(f"model.{key}") for key in ("cls_token", "pos_embed", "patch_embed.proj.weight")} == {0}
    assert [trunk.stage_of(f"model.blocks.{number}.norm1.bias") for number in range(12)] == list(range(1, 13))


@mark.parametrize("name", [name for name in SMALL if SMALL[name][1]])
@mark.parametrize("output_stride", [8, 16])
def test_dilation_is_timms_own_with_the_same_tensors(name: str, output_stride: int) -> None:
    dense = create_backbone(f"timm:{name}", output_stride=output_stride).eval()
    load_trunk(dense, bundle(name))
    model = timm.create_model(name, num_classes=CLASSES, output_stride=output_stride).eval()
    model.load_state_dict(timms_own(name).state_dict(), strict=True)
    batch = images(SIDE)
    with torch.no_grad():
        maps = dense(batch)
        expected = model.forward_intermediates(batch, output_fmt="NCHW", intermediates_only=True)
    assert all(torch.equal(one, other) for one, other in zip(maps, expected, strict=True))
    assert [info.stride for info in dense.feature_info] == [min(s, output_stride) for s in SMALL[name][0]]
    assert [SIDE // grid.shape[-1] for grid in maps] == [info.stride for info in dense.feature_info]
    assert dense.output_stride == output_stride


@mark.parametrize("name", [name for name in KNOWN if not KNOWN[name][1]])
def test_what_timm_cannot_dilate_is_refused(name: str) -> None:
    with torch.device("meta"), raises(UserError, match=f"output_stride=8: timm cannot build timm:{name} dilated"):
        create_backbone(f"timm:{name}", output_stride=8)


@mark.parametrize("name", ["regnety_004", "vit_tiny_patch16_224", param("swin_tiny_patch4_window7_224")])
def test_maps_of_any_image_lie_on_it(name: str) -> None:
    trunk = create_backbone(f"timm:{name}").eval()
    with torch.no_grad():
        maps = trunk(torch.zeros(1, 3, 96, 160))
    assert [tuple(grid.shape[2:]) for grid in maps] == [
        (96 // info.stride, 160 // info.stride) for info in trunk.feature_info
    ]


def test_initialisation_is_timms_own_from_the_same_seed() -> None:
    torch.manual_seed(3)
    ours = create_classifier("timm:regnety_004", CLASSES).state_dict()
    torch.manual_seed(3)
    theirs = timm.create_model("regnety_004", num_classes=CLASSES).state_dict()
    assert all(torch.equal(ours[f"trunk.model.{key}"], value) for key, value in theirs.items())


def test_a_bundle_carries_the_whole_model(tmp_path: Path) -> None:
    name = "mobilenetv3_large_100"
    network = f"timm:{name}"
    training = {"recipe": "r", "classes": [f"class{number}" for number in range(CLASSES)]}
    write_bundle(tmp_path / "b.safetensors", classifier(name), network, imagenet_contract(SIDE), training)
    read = read_bundle(tmp_path / "b.safetensors")
    assert count_classes(read) == CLASSES
    assert [info.stride for info in read.feature_info] == [2, 4, 8, 16, 32]
    assert pyramid(read.feature_info) == (1, 2, 3, 4)
    _, model = trained_classifier(tmp_path / "b.safetensors")
    with torch.no_grad():
        assert torch.equal(model.eval()(images(SIDE)), classifier(name)(images(SIDE)))
    # Its classes in another order: the head is permuted. Other classes: a new head, the rest from the bundle.
    permuted = create_classifier(network, CLASSES)
    order = [3, 1, 4, 0, 2]
    initialise_from(permuted, read, [training["classes"][k] for k in order], network)
    with torch.no_grad():
        torch.testing.assert_close(permuted.eval()(images(SIDE)), model(images(SIDE))[:, order])
    fresh = create_classifier(network, 3)
    head = fresh.trunk.model.classifier.weight.clone()
    assert "new heads, because its classes are others" in initialise_from(fresh, read, ["a", "b", "c"], network)
    assert torch.equal(fresh.trunk.model.classifier.weight, head)
    assert torch.equal(fresh.trunk.model.conv_head.weight, model.trunk.model.conv_head.weight)


def test_the_ledger_refuses_what_does_not_fit() -> None:
    name = "regnety_004"
    trunk, source = create_backbone(f"timm:{name}"), bundle(name)
    load_trunk(trunk, source)
    with torch.no_grad():
        trunk.model.s2.b1.conv1.conv.weight.add_(1)
    with raises(ProofError, match=r"model\.s2\.b1\.conv1\.conv\.weight .* differ in value"):
        take_ledger(source, trunk.state_dict(), trunk.left_behind)
    lost = {key: value for key, value in source.tensors.items() if key != "trunk.model.s1.b1.se.fc1.weight"}
    with raises(ProofError, match=r"model\.s1\.b1\.se\.fc1\.weight have no origin"):
        load_trunk(trunk, type(source)(**{**vars(source), "tensors": lost}))
    more = {**source.tensors, "trunk.model.s9.weight": torch.zeros(1)}
    checksums = {**source.checksums, "trunk.model.s9.weight": "0"}
    with raises(ProofError, match=r"model\.s9\.weight have no place"):
        load_trunk(trunk, type(source)(**{**vars(source), "tensors": more, "checksums": checksums}))
    with raises(ProofError, match="does not fit"):
        load_classifier(create_classifier("timm:convnext_atto", CLASSES), source)


@mark.parametrize("network", ["timm:regnety_004", "timm:resnet18"])
def test_the_recipe_decides_about_zero_gamma(network: str) -> None:
    """timm starts these networks with zero gammas whatever the recipe says."""

    def last_gammas(trunk: nn.Module) -> Counter[float]:
        names = ("bn2.weight",) if network.endswith("18") else ("conv3.bn.weight",)
        return Counter(
            value.sum().item() / len(value) for key, value in trunk.state_dict().items() if key.endswith(names)
        )

    trunk = create_backbone(network)
    assert set(last_gammas(trunk)) == {0.0}
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    undo_zero_last_gamma(trunk)
    changed = [key for key, value in trunk.state_dict().items() if not torch.equal(value, before[key])]
    assert set(last_gammas(trunk)) == {1.0}
    assert zero_last_gamma(trunk) == len(changed)
    assert all(torch.equal(value, before[key]) for key, value in trunk.state_dict().items())
    with raises(UserError, match="zero gamma needs residual blocks and timm:convnext_atto has none"):
        create_backbone("timm:convnext_atto", zero_gamma=True)


def test_drop_path_and_recomputation_leave_what_they_must() -> None:
    """Recomputed, a training step has the same gradients and statistics; drop path is off outside of training."""

    def step(**options: bool) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
        torch.manual_seed(0)
        trunk = create_backbone("timm:regnety_004", **options).train()
        calls: list[int] = []
        trunk.model.s3.b2.conv1.register_forward_hook(lambda *_: calls.append(1))
        trunk(images(SIDE, count=2))[-1].square().mean().backward()
        return {key: each.grad for key, each in trunk.named_parameters()}, trunk.state_dict(), len(calls)

    plain, recomputed = step(), step(grad_checkpointing=True)
    assert (plain[2], recomputed[2]) == (1, 2)
    for one, other in zip(plain[:2], recomputed[:2], strict=True):
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    trunk = create_backbone("timm:convnext_atto", drop_path=0.9)
    load_trunk(trunk, bundle("convnext_atto"))
    with torch.no_grad():
        kept = create_backbone("timm:convnext_atto").eval()
        load_trunk(kept, bundle("convnext_atto"))
        assert torch.equal(trunk.eval()(images(SIDE))[-1], kept(images(SIDE))[-1])
        assert not torch.equal(trunk.train()(images(SIDE))[-1], kept(images(SIDE))[-1])


def test_synchronised_layers_keep_their_activation() -> None:
    trunk = create_backbone("timm:tf_efficientnet_lite0").eval()
    expected = {key: value.clone() for key, value in trunk.state_dict().items()}
    layers = sum(isinstance(module, nn.BatchNorm2d) for module in trunk.modules())
    converted = synchronise_batch_norm(trunk)
    found = [module for module in converted.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert len(found) == layers
    assert isinstance(converted, TimmTrunk)
    assert {type(module.act) for module in found if hasattr(module, "act")} >= {nn.ReLU6}
    assert all(torch.equal(value, expected[key]) for key, value in converted.state_dict().items())


@mark.parametrize(
    ("network", "message"),
    [
        ("timm:regnety_04", "unknown network 'timm:regnety_04': did you mean .*regnety_004"),
        ("timm:regnety_004.pycls_in1k", "names weights; as a network it is timm:regnety_004"),
        ("timm:", "unknown network 'timm:'"),
        ("regnety_004", "unknown network 'regnety_004'.* and timm's as timm:NAME"),
    ],
)
def test_unknown_names_are_refused_in_one_line(network: str, message: str) -> None:
    for asked in (check_network, default_image_size, create_backbone):
        with raises(UserError, match=message) as caught:
            asked(network)
        assert "\n" not in str(caught.value)


def test_options_of_timm_are_timms() -> None:
    with raises(UserError, match="resnet18_d has no drop path, timm's networks have"):
        create_backbone("resnet18_d", drop_path=0.1)
    with raises(UserError, match="vgg11_bn has no residual branches"), torch.device("meta"):
        create_backbone("timm:vgg11_bn", drop_path=0.1)
    with raises(UserError, match="grad checkpointing: timm has none for timm:vgg11_bn"), torch.device("meta"):
        create_backbone("timm:vgg11_bn", grad_checkpointing=True)
    with raises(UserError, match="has no auxiliary head"):
        create_classifier("timm:regnety_004", 5, auxiliary=True)
    assert not any(name.startswith("timm:") for name in list_backbones())


def test_images_of_a_size_that_it_does_not_take() -> None:
    with torch.device("meta"):
        fixed = create_classifier("timm:beit_base_patch16_224", 2)
    assert fixed.why_not(224) is None
    assert fixed.why_not(64) == "takes images of 224 pixels alone"
    assert classifier("convnext_atto").why_not(16) == "needs 32 pixels or more"


def test_a_container_that_is_looped_over_and_never_called_stays() -> None:
    """RepGhostNet sums over the members of a ``Sequential`` on the way to its last map, and no map depends on them."""
    trunk = create_backbone("timm:repghostnet_050")
    assert any("fusion_bn" in name for name in trunk.left_behind.keys() | trunk.state_dict().keys())
    with torch.no_grad():
        grids = trunk(images(SIDE, count=2))
    assert [grid.shape[1] for grid in grids] == [each.channels for each in trunk.feature_info]
