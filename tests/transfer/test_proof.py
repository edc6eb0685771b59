"""The proof on really built detectors and segmentors, and what it must refuse."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from pytest import fixture, mark, raises
from torch import nn

from backbones.bundle import imagenet_contract, write_bundle
from backbones.ledger import ProofError
from backbones.models import create_classifier
from transfer import ops_bridge
from transfer.configure import load_config, set_input_contract
from transfer.precision import compute_in_bfloat16
from transfer.proof import prove
from transfer.trunk import open_bundle

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {"detection": "det_configs/faster_rcnn_fpn_voc07.py", "segmentation": "seg_configs/fcn_os8_index_png.py"}


@fixture(scope="module")
def bundle_path(tmp_path_factory) -> Path:
    torch.manual_seed(1)
    classifier = create_classifier("resnet18_d", 4)
    classifier.train()(torch.randn(4, 3, 64, 64))  # BatchNorm statistics that are not the initial ones
    path = tmp_path_factory.mktemp("proof") / "backbone.safetensors"
    write_bundle(path, classifier, "resnet18_d", imagenet_contract(64), {"recipe": "r"})
    return path


def build(kind: str, bundle_path: Path, **backbone: object) -> nn.Module:
    """The model as mmengine's runner builds and initialises it."""
    ops_bridge.install()
    task = getattr(importlib.import_module(f"transfer.{kind}"), kind.upper())
    importlib.import_module(f"{task.framework}.utils").register_all_modules(init_default_scope=False)
    registry = importlib.import_module(f"{task.framework}.registry").MODELS
    config: Config = load_config(str(ROOT / CONFIGS[kind]), ())
    bundle = open_bundle(str(bundle_path), 0)
    task.set_classes(config, ("one", "two"))
    task.set_channels(config, bundle)
    set_input_contract(config, bundle.input_contract)
    config.model.backbone.update(bundle=str(bundle_path), **backbone)
    with DefaultScope.overwrite_default_scope(task.framework):
        model = registry.build(config.model)
        model.init_weights()
    return model


@mark.parametrize("kind", CONFIGS)
@mark.parametrize("backbone", [{}, {"frozen_stages": 1, "norm_eval": True}])
def test_a_faithful_model_is_proven(kind: str, backbone: dict, bundle_path: Path) -> None:
    model = build(kind, bundle_path, **backbone).train()
    ledger, proof = prove(model, open_bundle(str(bundle_path), 0))
    assert ledger.mapped == len(model.backbone.state_dict())
    assert proof["features"]["equal"] is True
    assert [stage["stage"] for stage in proof["features"]["stages"]] == ["stage1", "stage2", "stage3", "stage4"]
    assert proof["features"]["dense_output_stride"] == (32 if kind == "detection" else 8)
    assert proof["inputs"]["max_abs_difference"] < 1e-6
    assert model.backbone.training


def test_the_proof_looks_past_a_precision_wrapper(bundle_path: Path) -> None:
    model = build("detection", bundle_path)
    assert compute_in_bfloat16(model, ["backbone"]) == ["backbone"]
    assert prove(model, open_bundle(str(bundle_path), 0))[1]["features"]["equal"] is True


def zero_variance(model: nn.Module) -> None:
    model.backbone.stage2[0].conv1.norm.running_var.zero_()


def swap_blocks(model: nn.Module) -> None:
    one, other = (model.backbone.stage1[index].conv1.conv.weight.data for index in (0, 1))
    kept = one.clone()
    one.copy_(other)
    other.copy_(kept)


def wrong_channel_order(model: nn.Module) -> None:
    # mmdetection's and mmsegmentation's preprocessors call the same switch by different names.
    for name in ("_channel_conversion", "channel_conversion"):
        if hasattr(model.data_preprocessor, name):
            setattr(model.data_preprocessor, name, False)


def wrong_mean(model: nn.Module) -> None:
    model.data_preprocessor.mean[0] += 0.5


def initialised_again(model: nn.Module) -> None:
    nn.init.kaiming_normal_(model.backbone.stage4[0].conv1.conv.weight)


@mark.parametrize("kind", CONFIGS)
@mark.parametrize(
    ("breakage", "message"),
    [
        (zero_variance, r"stage2\.0\.conv1\.norm\.running_var"),
        (swap_blocks, r"stage1\.0\.conv1\.conv\.weight, stage1\.1\.conv1\.conv\.weight"),
        (wrong_channel_order, "input contract"),
        (wrong_mean, "input contract"),
        (initialised_again, r"stage4\.0\.conv1\.conv\.weight"),
    ],
)
def test_a_broken_model_is_refused_by_name(kind: str, breakage, message: str, bundle_path: Path) -> None:
    model = build(kind, bundle_path)
    breakage(model)
    with raises(ProofError, match=message):
        prove(model, open_bundle(str(bundle_path), 0))


def test_other_arithmetic_with_the_same_tensors_is_refused(bundle_path: Path) -> None:
    """What a ledger alone would miss: all tensors right, the network wrong."""
    model = build("detection", bundle_path)
    model.backbone.stage3[0].shortcut.pool = nn.AvgPool2d(2, 2, divisor_override=3)
    with raises(ProofError, match="stage3 of the built backbone computes other features"):
        prove(model, open_bundle(str(bundle_path), 0))
