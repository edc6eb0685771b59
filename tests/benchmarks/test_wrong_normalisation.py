"""A bundle that is fed another normalisation than its weights were trained with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from pytest import raises

from backbones.bundles.bundle import read_bundle, write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.errors import UserError
from backbones.models import create_classifier
from benchmarks.wrong_normalisation import main


def test_the_header_alone_is_changed_and_the_name_says_so(tmp_path: Path) -> None:
    half = (127.5, 127.5, 127.5)
    contract = replace(imagenet_contract(64), mean=half, std=half)
    path, out = tmp_path / "right.safetensors", tmp_path / "wrong.safetensors"
    write_bundle(path, create_classifier("resnet18_d", 2), "resnet18_d", contract, {"recipe": "timm:it", "seed": 3})
    main([str(path), "--out", str(out)])
    right, wrong = read_bundle(path), read_bundle(out)
    usual = imagenet_contract(64)
    assert wrong.input_contract == replace(contract, mean=usual.mean, std=usual.std)
    assert wrong.training == {"recipe": "timm:it, wrong normalisation", "seed": 3}
    assert wrong.tensors.keys() == right.tensors.keys()
    assert all(torch.equal(tensor, right.tensors[name]) for name, tensor in wrong.tensors.items())


def test_where_it_would_be_right_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "right.safetensors"
    write_bundle(path, create_classifier("resnet18_d", 2), "resnet18_d", imagenet_contract(64), {"recipe": "d-smooth"})
    with raises(UserError, match="mean and std are its own"):
        main([str(path), "--out", str(tmp_path / "wrong.safetensors")])
    assert [each.name for each in tmp_path.iterdir()] == ["right.safetensors"]
