"""The bundle: what is written is what is read, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import fixture, mark, raises
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from backbones.bundles.bundle import HEADER_KEY, read_bundle, tensor_checksum, write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.errors import UserError
from backbones.models import create_classifier


@fixture(scope="module")
def written(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("bundle") / "backbone.safetensors"
    contract = replace(imagenet_contract(64), mean=(1.0, 2.0, 3.5))
    write_bundle(path, create_classifier("resnet18_d", 3), "resnet18_d", contract, {"recipe": "r", "classes": ["a"]})
    return path


def test_round_trip(written: Path) -> None:
    torch.manual_seed(0)
    classifier = create_classifier("resnet18_d", 3)
    bundle = read_bundle(written)
    state = classifier.state_dict()
    assert bundle.tensors.keys() == state.keys()
    assert all(torch.equal(bundle.tensors[name], state[name]) for name in state)
    assert bundle.architecture == "resnet18_d"
    assert bundle.input_contract.mean == (1.0, 2.0, 3.5)
    assert bundle.input_contract.channel_order == "RGB"
    assert bundle.training == {"recipe": "r", "classes": ["a"]}
    assert [(info.channels, info.stride) for info in bundle.feature_info] == [(64, 4), (128, 8), (256, 16), (512, 32)]


def test_channels_last_weights_are_stored_by_value(written: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    classifier = create_classifier("resnet18_d", 3).to(memory_format=torch.channels_last)
    write_bundle(tmp_path / "b", classifier, "resnet18_d", imagenet_contract(64), {})
    assert read_bundle(tmp_path / "b").checksums == read_bundle(written).checksums


def rewrite(path: Path, out: Path, edit) -> Path:
    """The same file with its tensors or header edited by someone who does not know about checksums."""
    with safe_open(path, framework="pt") as stream:
        metadata = stream.metadata()
    header, tensors = json.loads(metadata[HEADER_KEY]), load_file(path)
    edit(header, tensors)
    save_file(tensors, out, metadata={HEADER_KEY: json.dumps(header)})
    return out


def swap(header: dict, tensors: dict) -> None:
    one, other = "trunk.stage1.0.conv2.conv.weight", "trunk.stage1.1.conv2.conv.weight"
    tensors[one], tensors[other] = tensors[other], tensors[one]


@mark.parametrize(
    ("edit", "message"),
    [
        (swap, "trunk.stage1.0.conv2.conv.weight, trunk.stage1.1.conv2.conv.weight"),
        (lambda header, tensors: tensors["trunk.stage3.0.conv1.norm.running_var"].zero_(), "stage3.0.conv1.norm.runn"),
        (lambda header, tensors: tensors.pop("trunk.stem.0.conv.weight"), "disagree about trunk.stem.0.conv.weight"),
        (lambda header, tensors: header.pop("checksums"), "header is damaged"),
        (lambda header, tensors: header.update(format=2), "bundle format 2, this version reads 1"),
    ],
)
def test_an_edited_bundle_is_refused_by_name(written: Path, tmp_path: Path, edit, message: str) -> None:
    with raises(UserError, match=message):
        read_bundle(rewrite(written, tmp_path / "edited", edit))


@mark.parametrize(
    ("fields", "message"),
    [
        ({"channel_order": "rgb"}, "channel_order is 'rgb', not RGB or BGR"),
        ({"std": [58.0, 0, 57.0]}, r"std is \(58.0, 0, 57.0\), not three numbers above 0"),
        ({"std": [58.0, -1.0, 57.0]}, "not three numbers above 0"),
        ({"mean": [1.0, 2.0]}, r"mean is \(1.0, 2.0\), not three numbers, one per channel"),
        ({"mean": [1.0, float("nan"), 2.0]}, "not three numbers"),
        ({"mean": ["1", "2", "3"]}, "not three numbers"),
        ({"train_size": 0}, "train_size is 0, not a number of pixels"),
        ({"eval_size": 64.5}, "eval_size is 64.5"),
        ({"interpolation": None}, "interpolation is None, not a name"),
    ],
)
def test_an_input_contract_of_no_image_is_refused(written: Path, tmp_path: Path, fields: dict, message: str) -> None:
    path = rewrite(written, tmp_path / "b", lambda header, tensors: header["input_contract"].update(fields))
    with raises(UserError, match=rf"{path}: its input contract is wrong: .*{message}.*; write it again"):
        read_bundle(path)


def test_rewriting_without_an_edit_is_accepted(written: Path, tmp_path: Path) -> None:
    assert read_bundle(rewrite(written, tmp_path / "same", lambda header, tensors: None)).training["recipe"] == "r"


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0, 0.999))
def test_a_bundle_cut_short_anywhere_is_refused(written: Path, share: float) -> None:
    data = written.read_bytes()
    short = written.with_name("short.safetensors")
    short.write_bytes(data[: int(share * len(data))])
    with raises(UserError, match="not a whole safetensors file"):
        read_bundle(short)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with raises(UserError, match="no such bundle"):
        read_bundle(tmp_path / "missing")
    save_file({"x": torch.zeros(1)}, tmp_path / "plain")
    with raises(UserError, match="header is missing"):
        read_bundle(tmp_path / "plain")


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_checksums_depend_on_value_shape_and_dtype(values: list[float]) -> None:
    tensor = torch.tensor(values)
    assert tensor_checksum(tensor) == tensor_checksum(tensor.clone())
    assert tensor_checksum(tensor) != tensor_checksum(tensor[None])
    assert tensor_checksum(tensor) != tensor_checksum(tensor.double())
    changed = tensor.clone()
    changed[0] = torch.nextafter(changed[0], torch.tensor(float("inf")))
    assert tensor_checksum(tensor) != tensor_checksum(changed)
