"""One word for weights: what it names, what it opens, and what it is called in a message."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from pytest import MonkeyPatch, mark, raises
from torch import nn

from backbones.bundles.bundle import read_bundle, save_bundle
from backbones.bundles.loading import restored_classifier
from backbones.errors import UserError
from backbones.external.families import split_checkpoint
from backbones.external.importing import import_weights
from backbones.external.sources import (
    TAKEN,
    absolute_source,
    open_source,
    parse_weight_source,
    random_bundle,
    source_identity,
)
from backbones.files import sha256_file
from backbones.models import Classifier, create_classifier

Maker = Callable[..., tuple[Path, Classifier]]
MOBILE = "timm:mobilenetv1_100.ra4_e3600_r224_in1k"


def test_a_bundle_and_its_folder_are_one(make_bundle_file: Maker, tmp_path: Path) -> None:
    path, _ = make_bundle_file()
    (tmp_path / "run").mkdir()
    shutil.copy(path, tmp_path / "run" / "backbone.safetensors")
    file, folder = (open_source(each, "--teacher") for each in (path, str(tmp_path / "run")))
    assert file.sha256 == folder.sha256 == sha256_file(path) == source_identity(path, "--teacher")
    assert file.bundle.checksums == folder.bundle.checksums == read_bundle(path).checksums
    assert (file.told, file.record()) == ((), {"sha256": file.sha256})


def test_a_random_network_follows_its_seed_and_takes_classes() -> None:
    one, again, other = (open_source("random:mobilenet_v1_025", "--model", seed) for seed in (0, 0, 1))
    assert one.sha256 == again.sha256 != other.sha256
    named = open_source("random:mobilenet_v1_025", "--model", 0, ("a", "b", "c")).bundle
    trunk = {name: value for name, value in one.bundle.checksums.items() if name.startswith("trunk.")}
    assert trunk.items() <= named.checksums.items()
    assert restored_classifier(named).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert named.training["classes"] == ["a", "b", "c"]
    torch.manual_seed(0)
    expected = create_classifier("mobilenet_v1_025", 1).state_dict()
    assert torch.equal(one.bundle.tensors["trunk.stem.0.conv.weight"], expected["trunk.stem.0.conv.weight"])


def test_drawing_a_random_network_moves_no_random_numbers() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    random_bundle("mobilenet_v1_025", 0)
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_is_what_its_import_is(
    make_reference: Callable[[str, str], nn.Module], tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tensors = make_reference("timm", "mobilenetv1_100").state_dict()
    torch.save({"state_dict": tensors, "state_dict_ema": {n: t + 1 for n, t in tensors.items()}}, "file.pth")
    with raises(UserError, match=r"file\.pth: give the entry .* state_dict, state_dict_ema$"):
        open_source(f"{MOBILE}@file.pth", "--backbone")
    opened = open_source(f"{MOBILE}@file.pth#state_dict", "--backbone")
    import_weights(MOBILE, "kept.safetensors", "file.pth", "state_dict")
    kept = read_bundle("kept.safetensors")
    assert opened.bundle.checksums == kept.checksums
    assert opened.bundle.training == kept.training
    assert opened.bundle.input_contract == kept.input_contract
    assert any("unwrapped  state_dict" in line for line in opened.told)
    assert opened.record()["origin"]["ledger"]["mapped"] == len(kept.tensors)
    import_weights(f"{MOBILE}@file.pth#state_dict", "kept.safetensors")  # the same again, or it would be refused
    assert open_source(f"{MOBILE}@file.pth#state_dict_ema", "--backbone").sha256 != opened.sha256
    with raises(UserError, match="names its file after the @"):
        import_weights(f"{MOBILE}@file.pth", "other.safetensors", "file.pth")


def test_what_it_says_is_the_same_wherever_it_is_read(
    make_reference: Callable[[str, str], nn.Module], tmp_path: Path
) -> None:
    """The checksum of what has no bundle file is of its content, not of its place."""
    torch.save(make_reference("timm", "mobilenetv1_100").state_dict(), tmp_path / "file.pth")
    (tmp_path / "moved").mkdir()
    shutil.copy(tmp_path / "file.pth", tmp_path / "moved" / "renamed.pth")
    one, other = (open_source(f"{MOBILE}@{tmp_path / name}", "x") for name in ("file.pth", "moved/renamed.pth"))
    assert one.sha256 == other.sha256
    digest = hashlib.sha256((tmp_path / "file.pth").read_bytes()).hexdigest()
    assert source_identity(f"{MOBILE}@{tmp_path / 'file.pth'}", "x") == f"{MOBILE}@{digest}#"


def test_a_head_of_other_classes_needs_no_names_to_be_transferred(
    make_reference: Callable[[str, str], nn.Module], tmp_path: Path
) -> None:
    tensors = make_reference("timm", "mobilenetv1_100").state_dict()
    for part in ("weight", "bias"):
        tensors[f"classifier.{part}"] = tensors[f"classifier.{part}"][:3].clone()
    torch.save(tensors, tmp_path / "file.pth")
    opened = open_source(f"{MOBILE}@{tmp_path / 'file.pth'}", "--backbone")
    assert opened.bundle.training["classes"] is None
    assert opened.bundle.tensors["head.weight"].shape[0] == 3
    assert "classes without names" in opened.told[0]
    assert save_bundle(tmp_path / "out", opened.bundle).checksums == read_bundle(tmp_path / "out").checksums


@mark.parametrize(
    ("word", "message"),
    [
        ("nothing", f"--backbone nothing: there is no such run folder or bundle; taken are {TAKEN}"),
        ("keras:resnet50", "--backbone keras:resnet50: there is no such run folder or bundle; taken are"),
        ("timm:resnet49", "--backbone timm:resnet49: unknown network 'timm:resnet49': did you mean"),
        ("torchvision:vgg16@x.pth", "--backbone torchvision:vgg16: of torchvision these networks can be imported"),
        ("random:resnet51_d", "--backbone random:resnet51_d: unknown network 'resnet51_d': did you mean"),
        (".", "--backbone .: no backbone.safetensors in it"),
    ],
)
def test_what_is_not_there_is_named(word: str, message: str, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for look in (parse_weight_source, open_source, source_identity):
        with raises(UserError) as told:
            look(word, "--backbone")
        assert str(told.value).startswith(message)
        assert "\n" not in str(told.value)


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    for look in (open_source, source_identity):
        with raises(UserError, match=r"absent\.pth"):
            look(f"{MOBILE}@{tmp_path}/absent.pth", "--backbone")


def test_every_form_is_in_the_message() -> None:
    for form in ("bundle", "run", "timm:NAME.TAG", "torchvision:NAME.TAG", "@FILE", "#KEY", "random:NETWORK"):
        assert form in TAKEN


def test_words_for_another_folder(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_source("run") == str(tmp_path / "run")
    assert absolute_source("timm:resnet18d@a.pth#ema") == f"timm:resnet18d@{tmp_path}/a.pth#ema"
    assert absolute_source("torchvision:resnet18@a.pth") == f"torchvision:resnet18@{tmp_path}/a.pth"
    for same in ("timm:resnet18d.ra2_in1k", "random:resnet18_d", "/a/b"):
        assert absolute_source(same) == same


def test_a_file_may_have_the_sign_of_a_key_in_its_name(tmp_path: Path) -> None:
    assert split_checkpoint(f"timm:a@{tmp_path}/x#1.pth") == ("timm:a", tmp_path / "x", "1.pth")
    (tmp_path / "x#1.pth").touch()
    assert split_checkpoint(f"timm:a@{tmp_path}/x#1.pth") == ("timm:a", tmp_path / "x#1.pth", None)
    assert split_checkpoint(f"timm:a@{tmp_path}/x#1.pth#ema") == ("timm:a", tmp_path / "x#1.pth", "ema")
    assert split_checkpoint("timm:a") == ("timm:a", None, None)


def test_weights_that_are_not_finite_are_refused_by_name(
    make_reference: Callable[[str, str], nn.Module], tmp_path: Path
) -> None:
    """A bundle's file with them is refused, so what is never written into one is, too."""
    tensors = make_reference("timm", "mobilenetv1_100").state_dict()
    tensors["classifier.bias"][3] = float("nan")
    torch.save(tensors, tmp_path / "file.pth")
    with raises(UserError, match=r"file\.pth .*classifier\.bias holds values that are not finite"):
        open_source(f"{MOBILE}@{tmp_path}/file.pth", "--model")


@mark.parametrize("word", ["~nobody-of-this-name/run", "x" * 5000, "runs/\0", "a\nb"])
def test_a_path_that_cannot_be_asked_for_is_missing(word: str) -> None:
    with raises(UserError, match=r"--model .*there is no such run folder or bundle"):
        parse_weight_source(word, "--model")
    for each in (word, f"timm:resnet50d.gluon_in1k@{word}"):
        assert absolute_source(each)
