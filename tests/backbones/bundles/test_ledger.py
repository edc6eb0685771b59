"""The ledger: one fate for every source tensor, one origin for every target tensor, or an error that names it."""

from __future__ import annotations

from dataclasses import replace

import torch
from pytest import fixture, mark, raises

from backbones.bundles.bundle import Bundle, make_bundle, tensor_checksum
from backbones.bundles.contract import imagenet_contract
from backbones.bundles.ledger import MAPPED, ProofError, load_classifier, load_trunk, take_ledger
from backbones.models import Trunk, create_backbone, create_classifier


@fixture(scope="module")
def bundle() -> Bundle:
    torch.manual_seed(0)
    classifier = create_classifier("resnet18_d", 5)
    for name, value in classifier.state_dict().items():
        if "running" in name:
            value.uniform_(0.5, 1.5)
    return make_bundle(classifier, "resnet18_d", imagenet_contract(32), {}, "source.safetensors")


@fixture
def trunk(bundle: Bundle) -> Trunk:
    built = create_backbone("resnet18_d", output_stride=8)
    load_trunk(built, bundle)
    return built


def test_every_tensor_has_one_fate(bundle: Bundle, trunk: Trunk) -> None:
    ledger = take_ledger(bundle, trunk.state_dict())
    assert [entry.source for entry in ledger.entries] == list(bundle.tensors)
    assert {entry.target for entry in ledger.entries if entry.fate == MAPPED} == set(trunk.state_dict())
    dropped = {entry.source for entry in ledger.entries if entry.fate != MAPPED}
    assert dropped == {"head.weight", "head.bias"}
    assert ledger.summary()["dropped"] == {"dropped: classifier head": ["head.weight", "head.bias"]}
    assert ledger.mapped == len(trunk.state_dict())
    assert any(entry.source.endswith("num_batches_tracked") for entry in ledger.entries)


def test_loading_copies_every_value(bundle: Bundle, trunk: Trunk) -> None:
    for name, value in trunk.state_dict().items():
        assert torch.equal(value, bundle.tensors[f"trunk.{name}"]), name


def without(bundle: Bundle, name: str) -> Bundle:
    tensors = {key: value for key, value in bundle.tensors.items() if key != name}
    return replace(bundle, tensors=tensors)


def test_a_dropped_tensor_is_named(bundle: Bundle) -> None:
    fresh = create_backbone("resnet18_d")
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    with raises(ProofError, match=r"stage2\.0\.conv1\.norm\.running_mean have no origin"):
        load_trunk(fresh, without(bundle, "trunk.stage2.0.conv1.norm.running_mean"))
    assert all(torch.equal(value, before[name]) for name, value in fresh.state_dict().items())


def test_two_same_shaped_tensors_swapped_are_named(bundle: Bundle, trunk: Trunk) -> None:
    one, other = trunk.stage1[0].conv2.conv.weight, trunk.stage1[1].conv2.conv.weight
    with torch.no_grad():
        kept = one.clone()
        one.copy_(other)
        other.copy_(kept)
    with raises(ProofError, match=r"stage1\.0\.conv2\.conv\.weight, stage1\.1\.conv2\.conv\.weight .* differ in value"):
        take_ledger(bundle, trunk.state_dict())


@mark.parametrize("name", ["stage3.0.conv1.norm.running_var", "stem.2.norm.weight", "stage4.1.conv2.conv.weight"])
def test_any_changed_tensor_is_named(bundle: Bundle, trunk: Trunk, name: str) -> None:
    trunk.state_dict()[name].zero_()
    with raises(ProofError, match=name.replace(".", r"\.")):
        take_ledger(bundle, trunk.state_dict())


def test_swapped_input_channels_are_named(bundle: Bundle, trunk: Trunk) -> None:
    """A sum over the tensor would not see this."""
    weight = trunk.state_dict()["stem.0.conv.weight"]
    weight.copy_(weight.flip(1).clone())
    with raises(ProofError, match=r"stem\.0\.conv\.weight"):
        take_ledger(bundle, trunk.state_dict())


@mark.parametrize("network", ["resnet18_a", "resnet34_d", "resnet50_d"])
def test_a_bundle_of_another_network_is_refused(bundle: Bundle, network: str) -> None:
    with raises(ProofError, match=r"source\.safetensors \(a resnet18_d\) does not fit"):
        load_trunk(create_backbone(network), bundle)


def test_another_shape_or_dtype_is_refused(bundle: Bundle) -> None:
    name = "trunk.stem.0.conv.weight"
    narrow = {**bundle.tensors, name: bundle.tensors[name][:16]}
    with raises(ProofError, match=r"stem\.0\.conv\.weight is \(32, 3, 3, 3\)"):
        load_trunk(create_backbone("resnet18_d"), replace(bundle, tensors=narrow))
    half = {**bundle.tensors, name: bundle.tensors[name].half()}
    with raises(ProofError, match=r"torch\.float16"):
        load_trunk(create_backbone("resnet18_d"), replace(bundle, tensors=half))


def test_a_tensor_of_nobody_is_refused(bundle: Bundle) -> None:
    stranger = torch.zeros(1)
    more = replace(
        bundle,
        tensors={**bundle.tensors, "ema.decay": stranger},
        checksums={**bundle.checksums, "ema.decay": tensor_checksum(stranger)},
    )
    with raises(ProofError, match=r"ema\.decay, which belong neither to trunk nor to head"):
        load_trunk(create_backbone("resnet18_d"), more)


def test_a_whole_classifier_takes_the_head_too(bundle: Bundle) -> None:
    torch.manual_seed(1)
    classifier = create_classifier("resnet18_d", 5)
    assert not torch.equal(classifier.head.weight, bundle.tensors["head.weight"])
    ledger = load_classifier(classifier, bundle)
    assert {entry.fate for entry in ledger.entries} == {MAPPED}
    assert ledger.mapped == len(bundle.tensors) == len(classifier.state_dict())
    assert ledger.summary()["dropped"] == {}
    for name, value in classifier.state_dict().items():
        assert torch.equal(value, bundle.tensors[name]), name


def test_a_head_for_other_classes_is_refused(bundle: Bundle) -> None:
    classifier = create_classifier("resnet18_d", 4)
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    with raises(ProofError, match=r"head\.weight is \(4, 512\) torch\.float32, the bundle has \(5, 512\)"):
        load_classifier(classifier, bundle)
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


def with_auxiliary_head(bundle: Bundle) -> Bundle:
    tensor = torch.ones(2, 3)
    return replace(
        bundle,
        tensors={**bundle.tensors, "aux_head.fc.weight": tensor},
        checksums={**bundle.checksums, "aux_head.fc.weight": tensor_checksum(tensor)},
    )


def test_an_auxiliary_head_is_dropped_with_its_reason(bundle: Bundle) -> None:
    source = with_auxiliary_head(bundle)
    classifier = create_classifier("resnet18_d", 5)
    whole = load_classifier(classifier, source).summary()
    assert whole["dropped"] == {"dropped: auxiliary head": ["aux_head.fc.weight"]}
    assert (whole["source_tensors"], whole["mapped"]) == (len(bundle.tensors) + 1, len(bundle.tensors))
    trunk = load_trunk(create_backbone("resnet18_d"), source).summary()
    assert trunk["dropped"] == {
        "dropped: classifier head": ["head.weight", "head.bias"],
        "dropped: auxiliary head": ["aux_head.fc.weight"],
    }


def test_a_classifier_that_has_an_auxiliary_head_takes_it(bundle: Bundle) -> None:
    classifier = create_classifier("resnet18_d", 5)
    classifier.aux_head = torch.nn.ModuleDict({"fc": torch.nn.Linear(3, 2, bias=False)})
    with raises(ProofError, match=r"aux_head\.fc\.weight have no origin"):
        load_classifier(classifier, bundle)
    ledger = load_classifier(classifier, with_auxiliary_head(bundle))
    assert ledger.mapped == len(bundle.tensors) + 1
    assert torch.equal(classifier.aux_head["fc"].weight, torch.ones(2, 3))


def test_a_tensor_of_nobody_is_refused_in_a_classifier_too(bundle: Bundle) -> None:
    more = replace(bundle, tensors={**bundle.tensors, "ema.decay": torch.zeros(1)})
    with raises(ProofError, match=r"its tensor ema\.decay have no place in the backbone"):
        load_classifier(create_classifier("resnet18_d", 5), more)
