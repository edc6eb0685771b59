"""Bundles of timm's networks as timm reads them."""

from __future__ import annotations

import json
from pathlib import Path

import timm
import torch
from pytest import mark, raises

from backbones.bundles.bundle import Bundle, make_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.bundles.ledger import ProofError
from backbones.errors import UserError
from backbones.external.timm_export import export_timm
from backbones.models import Classifier, create_classifier

NETWORK = "timm:mobilenetv3_small_050"


def trained(network: str = NETWORK) -> tuple[Classifier, Bundle]:
    classifier = create_classifier(network, 3).eval()
    return classifier, make_bundle(classifier, network, imagenet_contract(64), {"recipe": "r"}, "memory")


@mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_timm_loads_it_and_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    classifier, bundle = trained()
    export = export_timm(bundle, tmp_path / name)
    model = eval(export.code, {"timm": timm}).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(images), classifier(images))
    document = json.loads((tmp_path / f"{name}.json").read_text())
    assert document["pretrained_cfg"]["mean"][0] == 123.68 / 255
    assert document["ledger"]["mapped"] == export.tensors == len(model.state_dict())
    with raises(UserError, match="exists; name another --out"):
        export_timm(bundle, tmp_path / name)


def test_what_is_no_network_of_timm_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with raises(UserError, match="mobilenet_v1_025 cannot be exported for timm"):
        export_timm(trained("mobilenet_v1_025")[1], tmp_path / "weights.pth")
    bundle = trained()[1]
    del bundle.tensors["trunk.model.conv_stem.weight"]
    with raises(ProofError, match=r"conv_stem\.weight have no origin"):
        export_timm(bundle, tmp_path / "weights.pth")
    assert not list(tmp_path.iterdir())
