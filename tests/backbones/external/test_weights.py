"""Input contracts as the libraries state them, and which weights are meant."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pytest import MonkeyPatch, approx, mark, raises
from timm.data import ImageNetInfo

import backbones.external.importing as importing
import backbones.external.timm as timm_weights
import backbones.external.torchvision as torchvision_weights
from backbones.errors import UserError
from backbones.external.families import FAMILIES, Source, family_list, parse_source
from backbones.external.weights import PublicWeights, choose_download, choose_for_file

IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
SYMMETRIC = ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
LIBRARIES = {"torchvision": torchvision_weights, "timm": timm_weights}


def published(text: str) -> PublicWeights:
    source = parse_source(text)
    return choose_download(source, LIBRARIES[source.library].catalogue(source))


@mark.parametrize(
    ("text", "normalisation", "train_size", "eval_size", "interpolation", "evaluation"),
    [
        ("torchvision:resnet50.IMAGENET1K_V1", IMAGENET, 224, 224, "bilinear", {"resize_size": 256}),
        ("torchvision:resnet50.IMAGENET1K_V2", IMAGENET, 176, 224, "bilinear", {"resize_size": 232}),
        ("torchvision:inception_v3", SYMMETRIC, 299, 299, "bilinear", {"resize_size": 342}),
        ("timm:resnet50d.gluon_in1k", IMAGENET, 224, 224, "bicubic", {"crop_fraction": 0.875}),
        ("timm:resnet50d.ra4_e3600_r224_in1k", SYMMETRIC, 224, 288, "bicubic", {"crop_fraction": 1.0}),
        ("timm:resnet50.tv2_in1k", IMAGENET, 176, 224, "bilinear", {"crop_fraction": 0.965}),
        ("timm:inception_v3.tv_in1k", SYMMETRIC, 299, 299, "bicubic", {"crop_fraction": 0.875}),
        ("timm:inception_v3.gluon_in1k", IMAGENET, 299, 299, "bicubic", {"crop_fraction": 0.875}),
        ("timm:mobilenetv1_100", SYMMETRIC, 224, 256, "bicubic", {"crop_fraction": 0.95}),
    ],
)
def test_the_contract_is_the_sources(
    text: str, normalisation: tuple, train_size: int, eval_size: int, interpolation: str, evaluation: dict
) -> None:
    weights = published(text)
    contract = weights.contract
    assert (contract.mean, contract.std) == normalisation
    assert (contract.train_size, contract.eval_size, contract.interpolation) == (train_size, eval_size, interpolation)
    assert contract.channel_order == "RGB"
    assert weights.evaluation.items() >= evaluation.items()


def test_published_accuracies_come_along_where_the_library_states_them() -> None:
    weights = published("torchvision:resnet50.IMAGENET1K_V1")
    assert (weights.top1, weights.top5) == (approx(76.13), approx(92.862))
    assert published("timm:resnet50d.gluon_in1k").top1 is None


@mark.parametrize(("library", "network"), [(library, name) for library in FAMILIES for name in FAMILIES[library]])
def test_every_network_has_weights_and_a_default(library: str, network: str) -> None:
    catalogue = LIBRARIES[library].catalogue(Source(library, network, None))
    assert catalogue.default in catalogue.weights
    assert all(weights.source.network == network for weights in catalogue.weights.values())


@mark.parametrize(
    ("text", "message"),
    [
        ("resnet50", "'resnet50' names no public weights: write LIBRARY:NETWORK"),
        ("keras:resnet50", "with LIBRARY torchvision or timm"),
        ("torchvision:", "names no public weights"),
        ("torchvision:vgg16", "of torchvision these networks can be imported: resnet18, "),
        ("torchvision:resnet50d", "of torchvision these networks"),
        ("timm:resnet50dd", "timm:resnet50dd: unknown network 'timm:resnet50dd': did you mean"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_the_reason(text: str, message: str) -> None:
    with raises(UserError, match=message):
        parse_source(text)


@mark.parametrize("text", ["timm:resnet50s.gluon_in1k", "timm:mobilenetv1_100h", "timm:regnety_004"])
def test_a_network_that_is_not_this_projects_is_timms_own(text: str) -> None:
    """A ResNet-S has another stem than the paper's, so none of these names is it."""
    source = parse_source(text)
    assert source.architecture == f"timm:{source.network}"
    assert str(source) == text


def test_unknown_weights_are_answered_with_the_known_ones() -> None:
    with raises(UserError, match=r"publishes no such weights; it has resnet50\.IMAGENET1K_V1, resnet50\.IMAGENET1K_V2"):
        published("torchvision:resnet50.IMAGENET1K_V3")


def test_the_list_shows_every_network_and_timms_others() -> None:
    lines = family_list().splitlines()
    assert len(lines) == sum(map(len, FAMILIES.values())) + 1
    assert lines[-1].startswith("timm:NAME ")
    assert any(line.split() == ["timm:mobilenetv1_100", "mobilenet_v1_relu6"] for line in lines)


# The digits in the published name of torchvision's first ResNet-50.
FIRST_RESNET50 = "0676ba61" + 56 * "0"


def choose(text: str, sha256: str = 64 * "f") -> tuple[str, bool]:
    source = parse_source(text)
    choice = choose_for_file(source, LIBRARIES[source.library].catalogue(source), "file.pth", sha256)
    return str(choice.weights.source), choice.published


def test_a_published_file_is_recognised() -> None:
    assert choose("torchvision:resnet50", FIRST_RESNET50) == ("torchvision:resnet50.IMAGENET1K_V1", True)
    assert choose("timm:resnet50.tv_in1k", FIRST_RESNET50) == ("timm:resnet50.tv_in1k", True)


def test_a_published_file_is_not_taken_for_another() -> None:
    with raises(UserError, match=r"is the published file of torchvision:resnet50\.IMAGENET1K_V1, not of"):
        choose("torchvision:resnet50.IMAGENET1K_V2", FIRST_RESNET50)


def test_an_unknown_file_needs_weights_only_where_contracts_differ() -> None:
    assert choose("timm:resnet50c") == ("timm:resnet50c", False)
    assert choose("timm:resnet50d.gluon_in1k") == ("timm:resnet50d.gluon_in1k", False)
    with raises(UserError, match="4 different normalisations or sizes; say which this file was trained with"):
        choose("timm:resnet50d")


def test_a_missing_timm_is_asked_for(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with raises(UserError, match="pip install timm"):
        published("timm:resnet50d")


def test_the_class_file_is_imagenets_synsets_in_order() -> None:
    names = Path(importing.__file__).with_name("imagenet_classes.txt").read_text().splitlines()
    assert names == ImageNetInfo("imagenet-1k").label_names()
    assert names == sorted(set(names))
    assert len(names) == 1000


def test_the_weights_in_the_documentation_exist() -> None:
    text = (Path(importing.__file__).parents[2] / "docs" / "public_weights.md").read_text()
    named = {word.rstrip(".") for word in re.findall(r"(?:timm|torchvision):[\w.]+", text)}
    assert len(named) >= 7
    for name in named:
        assert published(name).source.network == parse_source(name).network
