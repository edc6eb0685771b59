"""Stock backbones of mmdetection and mmsegmentation compute with exported weights what the trunks here compute."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from pytest import mark, raises
from torch import Tensor, nn

from backbones.bundles.bundle import Bundle, make_bundle, tensor_checksum
from backbones.bundles.contract import imagenet_contract
from backbones.bundles.ledger import ProofError, load_trunk
from backbones.errors import UserError
from backbones.models import create_backbone, create_classifier
from transfer.openmmlab import export, ops_bridge
from transfer.openmmlab.export import Export, configuration_path, export_bundle, openmmlab_keys

NETWORKS = [f"resnet{depth}_{variant}" for depth in (18, 34, 50) for variant in "abcd"]
Build = Callable[..., nn.Module]
Exported = Callable[[str, str], Export]


@lru_cache
def any_bundle(network: str) -> Bundle:
    """Random weights in which every tensor matters, BatchNorm's statistics and counters included."""
    torch.manual_seed(0)
    classifier = create_classifier(network, num_classes=3)
    for module in classifier.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            module.num_batches_tracked += 7
    return make_bundle(classifier, network, imagenet_contract(64), {"recipe": "d-smooth"}, f"{network}.safetensors")


@pytest.fixture(scope="module")
def build() -> Build:
    """Builds a backbone by a toolkit's own registry."""
    ops_bridge.install()
    import mmdet.models  # noqa: F401
    import mmseg.models  # noqa: F401
    from mmdet.registry import MODELS as DETECTION
    from mmseg.registry import MODELS as SEGMENTATION

    def build(toolkit: str, settings: dict[str, Any], **changes: Any) -> nn.Module:
        registry = {"mmdet": DETECTION, "mmseg": SEGMENTATION}[toolkit]
        # A runner in this process may have left its own toolkit as the one in which names are looked up.
        with DefaultScope.overwrite_default_scope(toolkit):
            return registry.build(ConfigDict({**settings, **changes}))

    return build


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Exports a network in a style, once."""

    @lru_cache
    def exported(network: str, style: str) -> Export:
        return export_bundle(any_bundle(network), style, tmp_path_factory.mktemp(f"{style}-{network}") / "weights.pth")

    return exported


def load(path: Path) -> dict[str, Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def features(model: nn.Module) -> list[Tensor]:
    """Odd sizes, so that ceil or floor in a pool shows."""
    images = torch.randn(1, 3, 43, 75, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model.double().eval()
    with torch.no_grad():
        return list(model(images))


@lru_cache
def ours(network: str, output_stride: int = 32) -> list[Tensor]:
    trunk = create_backbone(network, output_stride=output_stride)
    load_trunk(trunk, any_bundle(network))
    return features(trunk)


def largest_difference(one: list[Tensor], other: list[Tensor]) -> float:
    assert [maps.shape for maps in one] == [maps.shape for maps in other]
    assert all(0.01 < maps.std() < 1000 for maps in one)
    return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True))


@mark.parametrize("style", ["mmdet", "mmseg"])
@mark.parametrize("network", NETWORKS)
def test_the_stock_backbone_has_the_trunks_features(network: str, style: str, build: Build, exported: Exported) -> None:
    written = exported(network, style)
    model = build(style, written.config["model"]["backbone"])
    model.load_state_dict(load(written.path), strict=True)
    assert largest_difference(features(model), ours(network)) < 1e-10


@mark.parametrize("output_stride", [8, 16])
@mark.parametrize("variant", "abcd")
def test_dilated_stock_backbones_too(variant: str, output_stride: int, build: Build, exported: Exported) -> None:
    network = f"resnet50_{variant}"
    written = exported(network, "mmseg")
    dense = written.config["dense"][str(output_stride)]
    settings = {**written.config["model"]["backbone"], **dense}
    expected = ours(network, output_stride)
    model = build("mmseg", settings)
    model.load_state_dict(load(written.path), strict=True)
    assert largest_difference(features(model), expected) < 1e-10
    # Negative control: the other dilation of first blocks takes the same tensors and computes something else.
    wrong = build("mmseg", settings, contract_dilation=not dense["contract_dilation"])
    wrong.load_state_dict(load(written.path), strict=True)
    assert largest_difference(features(wrong), expected) > 1e-3


def test_no_dilated_basic_blocks_are_promised_because_mmseg_dilates_half_of_them(
    build: Build, exported: Exported
) -> None:
    written = exported("resnet18_d", "mmseg")
    assert written.config["dense"] == {}
    assert "leaves the second convolution of each block undilated" in written.notes[0]
    dense = {"strides": (1, 2, 1, 1), "dilations": (1, 1, 2, 4)}
    for contract_dilation in (True, False):
        model = build("mmseg", written.config["model"]["backbone"], **dense, contract_dilation=contract_dilation)
        model.load_state_dict(load(written.path), strict=True)
        assert largest_difference(features(model), ours("resnet18_d", 8)) > 1e-3


@mark.parametrize("style", ["mmdet", "mmseg"])
@mark.parametrize("variant", "abcd")
def test_the_toolkits_own_initialisation_loads_every_tensor(
    variant: str, style: str, build: Build, exported: Exported
) -> None:
    """The toolkits pass over what does not fit with a warning, so only the values tell."""
    bundle = any_bundle(f"resnet50_{variant}")
    written = exported(bundle.architecture, style)
    model = build(style, written.config["model"]["backbone"])
    for tensor in model.state_dict().values():
        tensor.fill_(77)
    model.init_weights()
    checksums = {name: tensor_checksum(tensor) for name, tensor in model.state_dict().items()}
    keys = openmmlab_keys(50, variant)
    assert checksums == {keys[name]: value for name, value in bundle.checksums.items() if name.startswith("trunk.")}


@mark.parametrize(
    ("style", "base"),
    [
        ("mmdet", "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"),
        ("mmseg", "mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py"),
    ],
)
def test_the_configuration_fits_into_a_stock_one(style: str, base: str, build: Build, tmp_path: Path) -> None:
    bundle = replace(any_bundle("resnet50_d"), input_contract=replace(imagenet_contract(64), channel_order="BGR"))
    written = export_bundle(bundle, style, tmp_path / "weights.pth")
    (tmp_path / "config.py").write_text("\n".join([f'_base_ = "{base}"', *_pasted(written.lines())]))
    config = Config.fromfile(tmp_path / "config.py")
    if style == "mmseg":
        config.norm_cfg = config.model.backbone.norm_cfg = {"type": "BN"}
    model = build(style, config.model)
    model.backbone.init_weights()
    assert torch.equal(model.backbone.layer4[2].bn3.weight, bundle.tensors["trunk.stage4.2.conv3.norm.weight"])
    assert type(model.backbone).__name__ == "ResNetV1d"
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx(bundle.input_contract.mean)
    assert model.data_preprocessor.std.flatten().tolist() == pytest.approx(bundle.input_contract.std)
    assert config.model.data_preprocessor.bgr_to_rgb is False


def _pasted(lines: list[str]) -> list[str]:
    """What a user copies from the output."""
    return lines[lines.index("model = dict(") : lines.index(")") + 1]


def test_control_the_stride_of_another_style_shows(build: Build, exported: Exported) -> None:
    written = exported("resnet50_a", "mmdet")
    backbone = written.config["model"]["backbone"]
    assert backbone["style"] == "caffe"
    model = build("mmdet", backbone, style="pytorch")
    model.load_state_dict(load(written.path), strict=True)
    assert largest_difference(features(model), ours("resnet50_a")) > 1e-3


def test_control_two_exchanged_tensors_show(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one shape, so that strict loading has nothing to say."""
    keys = openmmlab_keys(18, "d")
    one, other = "trunk.stage4.0.conv1.norm.weight", "trunk.stage4.0.conv2.norm.weight"
    monkeypatch.setattr(export, "openmmlab_keys", lambda *_: {**keys, one: keys[other], other: keys[one]})
    written = export_bundle(any_bundle("resnet18_d"), "mmdet", tmp_path / "weights.pth")
    model = build("mmdet", written.config["model"]["backbone"])
    model.load_state_dict(load(written.path), strict=True)
    assert largest_difference(features(model), ours("resnet18_d")) > 1e-3


def test_control_a_table_that_forgets_a_tensor_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = openmmlab_keys(18, "b")
    del keys["trunk.stage3.1.conv2.norm.running_var"]
    monkeypatch.setattr(export, "openmmlab_keys", lambda *_: keys)
    with raises(ProofError, match=r"disagrees about trunk\.stage3\.1\.conv2\.norm\.running_var"):
        export_bundle(any_bundle("resnet18_b"), "mmdet", tmp_path / "weights.pth")
    assert not list(tmp_path.iterdir())


@mark.parametrize("depth", [18, 34, 50, 101, 152])
@mark.parametrize("variant", "abcd")
def test_the_key_table_is_one_to_one(depth: int, variant: str) -> None:
    keys = openmmlab_keys(depth, variant)
    with torch.device("meta"):
        trunk = create_backbone(f"resnet{depth}_{variant}")
    assert keys.keys() == {f"trunk.{name}" for name in trunk.state_dict()}
    assert len(set(keys.values())) == len(keys)


def test_every_tensor_has_one_fate_and_the_document_says_it(exported: Exported) -> None:
    bundle = any_bundle("resnet18_c")
    written = exported("resnet18_c", "mmseg")
    document = json.loads(configuration_path(written.path).read_text())
    entries = document["ledger"]["entries"]
    assert [entry["source"] for entry in entries] == list(bundle.tensors)
    assert {entry["source"] for entry in entries if entry["target"] is None} == {"head.weight", "head.bias"}
    assert sorted(entry["target"] for entry in entries if entry["target"]) == sorted(load(written.path))
    assert document["config"]["model"]["backbone"]["type"] == "ResNetV1c"
    assert document["config"]["tweaks"] == {"deep_stem": True, "avg_down": False}
    assert document["config"]["model"]["data_preprocessor"] == {
        "mean": [123.68, 116.779, 103.939],
        "std": [58.393, 57.12, 57.375],
        "bgr_to_rgb": True,
    }


def test_mmdets_missing_class_is_named(exported: Exported) -> None:
    written = exported("resnet18_c", "mmdet")
    assert written.config["model"]["backbone"]["type"] == "ResNet"
    assert written.config["model"]["backbone"]["deep_stem"] is True
    assert written.notes == ("mmdet has no ResNetV1c; its ResNet with deep_stem=True is that network",)


@mark.parametrize("network", ["inception_v3", "mobilenet_v1"])
def test_networks_without_stock_class_are_refused(network: str, tmp_path: Path) -> None:
    bundle = replace(any_bundle("resnet18_d"), architecture=network)
    with raises(UserError, match=f"{network} cannot be exported: neither mmdet nor mmseg has"):
        export_bundle(bundle, "mmdet", tmp_path / "weights.pth")


def test_a_bundle_that_lacks_a_tensor_writes_nothing(tmp_path: Path) -> None:
    bundle = any_bundle("resnet18_d")
    tensors = {name: value for name, value in bundle.tensors.items() if name != "trunk.stem.1.norm.bias"}
    with raises(ProofError, match=r"stem\.1\.norm\.bias"):
        export_bundle(replace(bundle, tensors=tensors), "mmdet", tmp_path / "weights.pth")
    assert not list(tmp_path.iterdir())


def test_files_are_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_text("precious")
    with raises(UserError, match=r"weights\.pth exists; name another --out, or give --force"):
        export_bundle(any_bundle("resnet18_d"), "mmdet", path)
    assert path.read_text() == "precious"
    export_bundle(any_bundle("resnet18_d"), "mmdet", path, force=True)
    assert "layer4.1.conv2.weight" in load(path)
    path.unlink()
    with raises(UserError, match=r"weights\.pth\.json exists"):
        export_bundle(any_bundle("resnet18_d"), "mmdet", path)
    with raises(UserError, match="is a folder; name a file"):
        export_bundle(any_bundle("resnet18_d"), "mmdet", tmp_path)


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pth"
    export_bundle(any_bundle("resnet18_d"), "mmdet", path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_json", full)
    with raises(UserError, match="is full; make room"):
        export_bundle(any_bundle("resnet18_b"), "mmdet", path, force=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
