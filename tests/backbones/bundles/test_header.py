"""A bundle's header may be anyone's: what no bundle could say is one error that names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytest import fixture, mark, raises
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from backbones.bundles import header as headers
from backbones.bundles.bundle import HEADER_KEY, read_bundle, tensor_checksum, write_bundle
from backbones.bundles.contract import LARGEST_SIDE, imagenet_contract
from backbones.bundles.header import read_header
from backbones.errors import UserError
from backbones.models import create_classifier

TRAINING = {
    "recipe": "r",
    "network": "n",
    "seed": 0,
    "epochs": 3,
    "top1": 50.0,
    "top5": None,
    "classes": ["a", "b", "c"],
}


@fixture(scope="module")
def written(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "backbone.safetensors"
    torch.manual_seed(0)
    write_bundle(path, create_classifier("mobilenet_v1_025", 3), "mobilenet_v1_025", imagenet_contract(64), TRAINING)
    return path


@fixture(scope="module")
def document(written: Path) -> dict[str, Any]:
    with safe_open(written, framework="pt") as stream:
        return json.loads(stream.metadata()[HEADER_KEY])


def changed(document: dict[str, Any], place: str, value: Any) -> str:
    """The document as JSON with another value at a dotted place."""
    copy = json.loads(json.dumps(document))
    *parents, name = place.split(".")
    section = copy
    for parent in parents:
        section = section[int(parent)] if isinstance(section, list) else section[parent]
    section[name] = value
    return json.dumps(copy)


def test_a_header_is_read_as_it_was_written(document: dict[str, Any]) -> None:
    read = read_header(json.dumps(document), "here")
    assert (read.training, read.checksums) == (TRAINING, document["checksums"])
    assert len(read.feature_info) == len(document["feature_info"])


@mark.parametrize(
    ("place", "value", "message"),
    [
        ("checksums", None, "checksums is None, not a section"),
        ("checksums", {"a": 1}, "the checksum of 'a' is 1"),
        ("training", None, "training is None, not a section"),
        ("training", [], "training is .., not a section"),
        ("training.recipe", None, "training.recipe is None, not a name"),
        ("training.recipe", "", "training.recipe is '', not a name"),
        ("training.recipe", "x" * 2000, "training.recipe is 'xxx.*xxx', not a name"),
        ("training.top1", "50", "training.top1 is '50', not a number from 0 to 100"),
        ("training.top1", 1e9, "not a number from 0 to 100"),
        ("training.top5", float("nan"), "training.top5 is nan, not a number"),
        ("training.epochs", 10**400, "training.epochs is 1000.*, not a number"),
        ("training.seed", -1, "training.seed is -1, not a whole number"),
        ("training.seed", 1.5, "not a whole number"),
        ("training.seed", 2**70, "not a whole number"),
        ("training.classes", "abc", "training.classes is 'abc', not a list of names"),
        ("training.classes", [None], "not a list of names"),
        ("training.dataset", 3, "training.dataset is 3, not a text"),
        ("training.versions", [1], "training.versions is .1., not a section"),
        ("training.versions", {"torch": 2}, "training.versions is .*, not a section of texts"),
        ("training.more", [{"a": float("inf")}], "training holds inf"),
        ("training.more", [{"a": 10**30}], "training holds 1000000.*, a number beyond 64 bits"),
        ("input_contract.mean", [10**400, 1, 1], r"input contract is wrong: mean is \(1000.*not three numbers"),
        ("input_contract.mean", [1e300, 1, 1], "mean is .*not three numbers"),
        ("input_contract.mean", None, "'NoneType' object is not iterable"),
        ("input_contract.std", [1e-30, 1, 1], "std is .*not three numbers above 0"),
        ("input_contract.eval_size", 100_000, "eval_size is 100000, not a number of pixels"),
        ("input_contract.train_size", True, "train_size is True, not a number of pixels"),
        ("input_contract.train_size", 10**400, "train_size is 1000.*, not a number of pixels"),
        ("input_contract.interpolation", "x" * 2000, "interpolation is 'xxx.*, not a name"),
        ("input_contract.more", 1, "unexpected keyword argument 'more'"),
        ("input_contract", None, "input_contract is None, not a section"),
        ("feature_info", [], r"feature_info is \[\], not a list of stages"),
        ("feature_info", [{}] * 1000, "not a list of stages"),
        ("feature_info.0.channels", 10**9, "channels and stride of a stage are"),
        ("feature_info.0.stride", 0, "channels and stride of a stage are"),
        ("feature_info.0.name", 7, "the name of a stage is 7, not a name"),
        ("architecture", "resnet18_e", "unknown network 'resnet18_e': did you mean"),
        ("architecture", 7, "architecture is 7, not a name"),
        ("format", [[]], r"has bundle format \[\[\]\], this version reads 1"),
    ],
)
def test_what_no_bundle_says_is_named(document: dict[str, Any], place: str, value: Any, message: str) -> None:
    with raises(UserError, match=rf"^here.*{message}") as caught:
        read_header(changed(document, place, value), "here")
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


@mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, r"its header is damaged \(sections in sections without end"),
        ('{"a":' * 900 + "1" + "}" * 900, r"its header is damaged \(sections in sections, more than"),
        ("null", "its header is damaged"),
        ("[]", "its header is damaged"),
        ("7", "its header is damaged"),
        ("{}", "its header is damaged .*'format' is missing"),
        ("", "its header is damaged"),
        (f'{{"format": {"9" * 5000}}}', "its header is damaged"),
    ],
)
def test_text_that_is_no_header(text: str, message: str) -> None:
    with raises(UserError, match=rf"^here: {message}") as caught:
        read_header(text, "here")
    assert len(str(caught.value)) < 400


def test_a_header_has_a_size(document: dict[str, Any], monkeypatch) -> None:
    text = json.dumps(document)
    monkeypatch.setattr(headers, "LARGEST", len(text))
    read_header(text, "here")
    with raises(UserError, match=r"here: its header has \d+ characters, more than \d+"):
        read_header(f"{text} ", "here")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
PLACES = (
    *("format", "architecture", "feature_info", "feature_info.0", "feature_info.1.channels", "input_contract"),
    *("input_contract.mean", "input_contract.eval_size", "training", "training.recipe", "training.x", "checksums"),
)


@settings(max_examples=150, deadline=None)
@given(place=st.sampled_from(PLACES), value=PLAIN)
@example(place="feature_info.0", value={"\r": 1})
def test_any_value_anywhere_is_taken_or_refused_in_one_line(document: dict[str, Any], place: str, value: Any) -> None:
    text = changed(document, place, value) if not place.endswith(".0") else replaced(document, value)
    read, said = None, "here"
    try:
        read = read_header(text, "here")
    except UserError as error:
        said = str(error)
    assert said.startswith("here")
    assert said.splitlines() == [said]
    if read is not None:
        assert json.loads(json.dumps(read.training, allow_nan=False)) == read.training
        assert 0 < read.input_contract.eval_size <= LARGEST_SIDE


def replaced(document: dict[str, Any], value: Any) -> str:
    return json.dumps({**document, "feature_info": [value, *document["feature_info"][1:]]})


def rewritten(written: Path, out: Path, tensors: dict[str, torch.Tensor]) -> Path:
    """The file with other tensors, whose checksums are right."""
    with safe_open(written, framework="pt") as stream:
        header = json.loads(stream.metadata()[HEADER_KEY])
    header["checksums"] = {name: tensor_checksum(value) for name, value in tensors.items()}
    save_file(tensors, out, metadata={HEADER_KEY: json.dumps(header)})
    return out


@mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_named(written: Path, tmp_path: Path, value: float) -> None:
    tensors = load_file(written)
    name = next(name for name in tensors if name.endswith("conv.weight"))
    tensors[name].view(-1)[-1] = value
    with raises(UserError, match=rf"bad\.safetensors: NaN or infinity in {name}: nothing can be computed"):
        read_bundle(rewritten(written, tmp_path / "bad.safetensors", tensors))


def test_many_names_are_cut_short_and_strange_ones_written_out(written: Path, tmp_path: Path) -> None:
    tensors = {name: torch.full_like(value, 2) for name, value in load_file(written).items()}
    endless = {name: value * torch.inf if value.is_floating_point() else value for name, value in tensors.items()}
    with raises(UserError, match=r"NaN or infinity in (\S+, ){7}\S+ and \d+ more: ") as caught:
        read_bundle(rewritten(written, tmp_path / "bad", endless))
    assert len(str(caught.value)) < 800
    with raises(UserError, match=r"NaN or infinity in a\\n\\x1b"):
        read_bundle(rewritten(written, tmp_path / "bad", {"a\n\x1b": torch.tensor(torch.nan)}))


def test_types_that_no_network_here_has(written: Path, tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(2, dtype=torch.complex64), "b": torch.zeros(1)}
    with raises(UserError, match=r"bad: no network here has tensors of the type of a; "):
        read_bundle(rewritten(written, tmp_path / "bad", tensors))
