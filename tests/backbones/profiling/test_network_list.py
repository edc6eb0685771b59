"""The list of networks: numbers against timm's own model, weights against what timm publishes."""

from __future__ import annotations

import timm
from pytest import raises

from backbones.errors import UserError
from backbones.models import list_backbones
from backbones.profiling.network_list import network_list


def test_timms_networks_by_pattern() -> None:
    _, first, second, last = network_list("list:timm:regnety_00[24]")
    assert [line.split()[0] for line in (first, second)] == ["timm:regnety_002", "timm:regnety_004"]
    weights = sum(each.numel() for each in timm.create_model("regnety_004").parameters()) / 1e6
    assert f" {weights:.2f} M " in second
    assert "224 px  5 (2, 4, 8, 16, 32); timm:regnety_004." in second
    assert all(f"timm:{name}" in second for name in timm.list_models("regnety_004", pretrained=True))
    assert last.startswith("weights and multiply-adds are those of 1000 classes")


def test_what_is_no_trunk_says_so() -> None:
    _, line, _ = network_list("list:timm:mixer_b16_224")
    assert line.startswith("timm:mixer_b16_224")
    assert ("cannot be a trunk" in line) != (" px  " in line)


def test_own_networks_by_pattern_and_none_at_all() -> None:
    lines = list(network_list("list:mobilenet_v1_0*"))
    assert [line.split()[0] for line in lines[1:-1]] == [
        name for name in list_backbones() if name.startswith("mobilenet_v1_0")
    ]
    assert all("; none" in line for line in lines[1:-1])
    with raises(UserError, match=r"--network list:resnext\*: no network matches 'resnext\*'; timm's networks"):
        list(network_list("list:resnext*"))
