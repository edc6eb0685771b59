"""Every tensor is accounted for: what does not belong, is missing or does not fit is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytest import fixture, mark, raises
from torch import Tensor, nn

from backbones.errors import UserError
from backbones.external.checkpoints.accounting import head_size, load_by_table
from backbones.external.families import FAMILIES
from backbones.external.keys import key_table
from backbones.models import create_classifier

Tensors = dict[str, Tensor]


@fixture
def tensors(make_reference: Callable[[str, str], nn.Module]) -> Tensors:
    return dict(make_reference("timm", "resnet18d").state_dict())


def load(tensors: Tensors, architecture: str = "resnet18_d") -> nn.Module:
    classifier = create_classifier(architecture, 1000)
    load_by_table("the file", classifier, tensors, key_table(architecture))
    return classifier


@mark.parametrize("architecture", sorted({name for networks in FAMILIES.values() for name in networks.values()}))
def test_a_table_has_one_origin_for_each_tensor(architecture: str) -> None:
    with torch.device("meta"):
        ours = list(create_classifier(architecture, 10).state_dict())
    origins = [target for target in key_table(architecture).values() if target]
    assert sorted(origins) == sorted(ours)


def test_all_tensors_arrive(tensors: Tensors) -> None:
    ours = load(tensors).state_dict()
    assert len(ours) == len(tensors) == 134
    assert all(torch.equal(ours[target], tensors[name]) for name, target in key_table("resnet18_d").items())


def drop(tensors: Tensors) -> None:
    del tensors["layer3.1.bn2.running_var"]


def add(tensors: Tensors) -> None:
    tensors["layer3.1.se.weight"] = torch.zeros(3)


def swap(tensors: Tensors) -> None:
    tensors["conv1.3.weight"], tensors["conv1.6.weight"] = tensors["conv1.6.weight"], tensors["conv1.3.weight"]


def drop_one_counter(tensors: Tensors) -> None:
    del tensors["bn1.num_batches_tracked"]


def widen(tensors: Tensors) -> None:
    tensors["fc.bias"] = tensors["fc.bias"].double()


def spoil(tensors: Tensors) -> None:
    tensors["fc.bias"] = torch.full_like(tensors["fc.bias"], float("nan"))


@mark.parametrize(
    ("damage", "message"),
    [
        (drop, r"it lacks tensor layer3\.1\.bn2\.running_var$"),
        (add, r"it holds tensor layer3\.1\.se\.weight, which this network does not have$"),
        (swap, r"conv1\.3\.weight is \(64, 32, 3, 3\) and should be \(32, 32, 3, 3\)"),
        (drop_one_counter, r"it lacks tensor bn1\.num_batches_tracked$"),
        (widen, r"fc\.bias is torch\.float64, which is not torch\.float32 without rounding"),
        (spoil, r"fc\.bias holds values that are not finite"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_loaded(
    tensors: Tensors, damage: Callable[[Tensors], None], message: str
) -> None:
    damage(tensors)
    classifier = create_classifier("resnet18_d", 1000)
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    with raises(UserError, match=message):
        load_by_table("the file", classifier, tensors, key_table("resnet18_d"))
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


@mark.parametrize(
    ("library", "network", "architecture", "named"),
    [
        ("timm", "resnet18d", "resnet18_b", r"conv1\.0\.weight"),
        ("timm", "resnet50d", "resnet50_c", r"layer1\.0\.downsample\.2\.weight"),
        ("timm", "resnet50c", "resnet50_d", r"layer1\.0\.downsample\.0\.weight"),
        ("torchvision", "resnet50", "resnet101_b", r"layer3\.6\.conv1\.weight"),
        ("timm", "resnet50s", "resnet50_c", r"conv1\.0\.weight is \(64, 3, 3, 3\) and should be \(32, 3, 3, 3\)"),
    ],
)
def test_a_network_is_not_taken_for_another(
    make_reference: Callable[[str, str], nn.Module], library: str, network: str, architecture: str, named: str
) -> None:
    with raises(UserError, match=named):
        load(dict(make_reference(library, network).state_dict()), architecture)


def test_a_file_without_any_counter_starts_them_at_zero(tensors: Tensors) -> None:
    ours = load({name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")})
    counters = [value for name, value in ours.state_dict().items() if name.endswith("num_batches_tracked")]
    assert len(counters) == 22
    assert all(value == 0 for value in counters)


@mark.parametrize(
    ("weights", "message"),
    [(None, r"fc\.weight, the weights of its classifier, is missing"), (torch.ones(3), r"is \(3,\)")],
)
def test_half_a_head_is_refused(weights: Tensor | None, message: str) -> None:
    assert head_size("the file", "fc.weight", torch.ones(7, 3)) == 7
    with raises(UserError, match=f"the file: .*{message}"):
        head_size("the file", "fc.weight", weights)
