"""The proof on really built detectors and segmentors, and what it must refuse."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from pytest import MonkeyPatch, fixture, mark, raises
from torch import Tensor, nn
from torch.nn import functional

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.bundles.ledger import ProofError
from backbones.models import create_classifier
from transfer.openmmlab import ops_bridge
from transfer.openmmlab.speed.bfloat16 import compute_in_bfloat16
from transfer.openmmlab.trunk import bundle_stage, open_bundle
from transfer.proof.arrival import prove
from transfer.protocol.derive import set_input_contract
from transfer.protocol.load import load_config

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = {
    "fpn": ("detection", "det_configs/faster_rcnn_fpn_voc07.py"),
    "c4": ("detection", "det_configs/faster_rcnn_c4_voc0712.py"),
    "fcn": ("segmentation", "seg_configs/fcn_os8_index_png.py"),
}
SHARED = "roi_head.shared_head."
# Before a part of the trunk in the built model.
PLACES = {"fpn": "backbone.", "c4": SHARED, "fcn": "backbone."}
NETWORKS = ("resnet18_d", "mobilenet_v1_025", "inception_v3")


@fixture(scope="module")
def bundle_paths(tmp_path_factory) -> dict[str, Path]:
    """By network; trained on 64 pixels, which for Inception are too few."""
    paths = {}
    for network in NETWORKS:
        torch.manual_seed(1)
        classifier = create_classifier(network, 4, auxiliary=network == "inception_v3")
        # BatchNorm statistics that are not the initial ones, and let features through to the last stage.
        for module in classifier.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        classifier.trunk.train()(torch.randn(4, 3, 96, 96))
        paths[network] = tmp_path_factory.mktemp("proof") / f"{network}.safetensors"
        write_bundle(paths[network], classifier, network, imagenet_contract(64), {"recipe": "r", "seed": 5})
    return paths


@fixture
def bundle_path(bundle_paths: dict[str, Path]) -> Path:
    return bundle_paths["resnet18_d"]


def build(kind: str, bundle_path: Path, **backbone: object) -> nn.Module:
    """The model as mmengine's runner builds and initialises it."""
    ops_bridge.install()
    name, file = CONFIGS[kind]
    task = getattr(importlib.import_module(f"transfer.tasks.{name}"), name.upper())
    importlib.import_module(f"{task.framework}.utils").register_all_modules(init_default_scope=False)
    registry = importlib.import_module(f"{task.framework}.registry").MODELS
    config: Config = load_config(str(ROOT / file), ())
    bundle = open_bundle(str(bundle_path), 0)
    task.set_classes(config, ("one", "two"))
    config.model.backbone.update(bundle=str(bundle_path), **backbone)
    task.set_channels(config, bundle)
    set_input_contract(config, bundle.input_contract)
    with DefaultScope.overwrite_default_scope(task.framework):
        model = registry.build(config.model)
        model.init_weights()
    return model


@mark.parametrize("kind", CONFIGS)
@mark.parametrize("network", NETWORKS)
def test_a_faithful_model_is_proven(kind: str, network: str, bundle_paths: dict[str, Path]) -> None:
    model = build(kind, bundle_paths[network]).train()
    ledger, proof = prove(model, open_bundle(str(bundle_paths[network]), 0))
    targets = [entry.target for entry in ledger.entries if entry.target]
    assert len(targets) == len(set(targets)) == ledger.mapped
    held = set(model.state_dict())
    assert set(targets) == {name for name in held if name.startswith(("backbone.", SHARED))}
    dense = kind == "fcn" or network == "inception_v3"
    assert proof["features"]["equal"] is True
    assert proof["features"]["geometry"] == (
        "classification, with the built tensors; and as built" if dense else "as built"
    )
    assert [stage["stage"] for stage in proof["features"]["stages"]] == ["stage1", "stage2", "stage3", "stage4"]
    assert proof["features"]["dense_output_stride"] == (8 if kind == "fcn" else 32)
    assert proof["inputs"]["max_abs_difference"] < 1e-6
    dropped = {"head.weight", "head.bias"} | {
        name for name in open_bundle(str(bundle_paths[network]), 0).tensors if "aux" in name
    }
    assert set().union(*proof["ledger"]["dropped"].values()) == dropped
    assert model.backbone.training


def test_held_parts_are_proven_too(bundle_path: Path) -> None:
    model = build("fpn", bundle_path, frozen_stages=1, norm_eval=True).train()
    assert prove(model, open_bundle(str(bundle_path), 0))[1]["features"]["equal"] is True


def precision_wrapper(model: nn.Module) -> None:
    compute_in_bfloat16(model, ["backbone"])


def other_forward(model: nn.Module) -> None:
    plain = model.backbone.forward
    model.backbone.forward = lambda x: [features * 1.0001 for features in plain(x)]


def hook(model: nn.Module) -> None:
    model.backbone.register_forward_hook(lambda module, inputs, maps: [features + 1 for features in maps])


def hook_before(model: nn.Module) -> None:
    model.backbone.register_forward_pre_hook(lambda module, inputs: (inputs[0].flip(1),))


@mark.parametrize("kind", CONFIGS)
@mark.parametrize("attached", [precision_wrapper, other_forward, hook, hook_before])
def test_what_is_attached_to_the_backbone_is_part_of_the_proof(kind: str, attached, bundle_path: Path) -> None:
    model = build(kind, bundle_path)
    attached(model)
    with raises(ProofError, match=r"returns something else for stage[13], .* another forward or a hook"):
        prove(model, open_bundle(str(bundle_path), 0))


def test_a_backbone_that_returns_too_little_is_refused(bundle_path: Path) -> None:
    model = build("fpn", bundle_path)
    model.backbone.register_forward_hook(lambda module, inputs, maps: maps[:3])
    with raises(ProofError, match="returns 3 maps where 4 are expected"):
        prove(model, open_bundle(str(bundle_path), 0))


def test_what_is_attached_to_a_shared_head_is_part_of_the_proof(bundle_path: Path) -> None:
    model = build("c4", bundle_path)
    compute_in_bfloat16(model, ["roi_head.shared_head"])
    with raises(ProofError, match="stage4 of the built model computes other features"):
        prove(model, open_bundle(str(bundle_path), 0))


def test_the_maps_that_the_neck_gets_are_recorded(bundle_path: Path) -> None:
    for kind, stages, names in (("fpn", (1, 2, 3), ["stage2", "stage3", "stage4"]), ("c4", (2,), ["stage3", "stage4"])):
        _, proof = prove(build(kind, bundle_path, out_indices=stages), open_bundle(str(bundle_path), 0))
        assert proof["features"]["returned"] == names


def test_no_stage_is_no_proof(bundle_path: Path, monkeypatch: MonkeyPatch) -> None:
    model = build("fpn", bundle_path)
    monkeypatch.setattr(model.backbone, "stages", lambda x: [])
    with raises(ProofError, match="computes no stage, so there is nothing to compare"):
        prove(model, open_bundle(str(bundle_path), 0))


@mark.parametrize("network", ["resnet18_d", "mobilenet_v1_025"])
def test_the_shared_head_computes_the_classifiers_last_stage(network: str, bundle_paths: dict[str, Path]) -> None:
    """Without the proof's own code: images in, the classifier's features out, through both parts."""
    bundle = open_bundle(str(bundle_paths[network]), 0)
    model = build("c4", bundle_paths[network]).eval()
    classifier = create_classifier(network, 4).eval()
    classifier.load_state_dict(bundle.tensors)
    batch = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        (third,) = model.backbone(batch)
        assert third.shape[2:] == (14, 14)
        fourth = model.roi_head.shared_head(third)
        assert fourth.shape[2:] == (7, 7)
        assert fourth.std() > 0.1
        assert torch.equal(fourth, classifier.trunk(batch)[-1])


def last_stage(model: nn.Module) -> nn.Module:
    """Wherever it is."""
    return model.get_submodule(
        "roi_head.shared_head.stage4" if not hasattr(model.backbone, "stage4") else "backbone.stage4"
    )


def zero_variance(model: nn.Module) -> None:
    model.backbone.stage2[0].conv1.norm.running_var.zero_()


def swap_blocks(model: nn.Module) -> None:
    swap(*(model.backbone.stage1[index].conv1.conv.weight.data for index in (0, 1)))


def swap_last_blocks(model: nn.Module) -> None:
    swap(*(getattr(last_stage(model)[1], name).conv.weight.data for name in ("conv1", "conv2")))


def swap(one: Tensor, other: Tensor) -> None:
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
    nn.init.kaiming_normal_(last_stage(model)[0].conv1.conv.weight)


@mark.parametrize("kind", CONFIGS)
@mark.parametrize(
    ("breakage", "message"),
    [
        (zero_variance, r"backbone\.stage2\.0\.conv1\.norm\.running_var"),
        (swap_blocks, r"backbone\.stage1\.0\.conv1\.conv\.weight, backbone\.stage1\.1\.conv1\.conv\.weight"),
        (swap_last_blocks, r"{place}stage4\.1\.conv1\.conv\.weight, {place}stage4\.1\.conv2\.conv\.weight"),
        (wrong_channel_order, "input contract"),
        (wrong_mean, "input contract"),
        (initialised_again, r"{place}stage4\.0\.conv1\.conv\.weight"),
    ],
)
def test_a_broken_model_is_refused_by_name(kind: str, breakage, message: str, bundle_path: Path) -> None:
    model = build(kind, bundle_path)
    breakage(model)
    with raises(ProofError, match=message.replace("{place}", PLACES[kind].replace(".", r"\."))):
        prove(model, open_bundle(str(bundle_path), 0))


def resnet_pool(model: nn.Module) -> None:
    model.backbone.stage3[0].shortcut.pool = nn.AvgPool2d(2, 2, divisor_override=3)


def last_resnet_pool(model: nn.Module) -> None:
    last_stage(model)[0].shortcut.pool = nn.AvgPool2d(2, 2, divisor_override=3)


def no_dilation(model: nn.Module) -> None:
    conv = model.backbone.stage4[1].conv1.conv
    conv.dilation = conv.padding = (1, 1)


def inception_pool(model: nn.Module) -> None:
    model.backbone.stage3[1].pool[0].forward = lambda x: functional.max_pool2d(x, 3, stride=1, padding=1)


def last_inception_pool(model: nn.Module) -> None:
    last_stage(model)[0].pool = nn.MaxPool2d(3, 2, padding=1, dilation=1, ceil_mode=True)
    last_stage(model)[0].pool.forward = lambda x: functional.avg_pool2d(x, 3, stride=2, padding=1)


def mobilenet_stride(model: nn.Module) -> None:
    last_stage(model)[0].depthwise.conv.stride = (1, 1)


@mark.parametrize(
    ("kind", "network", "breakage", "stage"),
    [
        ("fpn", "resnet18_d", resnet_pool, "stage3"),
        ("c4", "resnet18_d", last_resnet_pool, "stage4"),
        ("fcn", "resnet18_d", no_dilation, "stage4"),
        ("fpn", "inception_v3", inception_pool, "stage3"),
        ("fcn", "inception_v3", inception_pool, "stage3"),
        ("c4", "inception_v3", last_inception_pool, "stage4"),
        ("c4", "mobilenet_v1_025", mobilenet_stride, "stage4"),
    ],
)
def test_other_arithmetic_with_the_same_tensors_is_refused(
    kind: str, network: str, breakage, stage: str, bundle_paths: dict[str, Path]
) -> None:
    """What a ledger alone would miss: all tensors right, the network wrong, in whichever geometry it was built."""
    model = build(kind, bundle_paths[network])
    breakage(model)
    with raises(ProofError, match=f"{stage} of the built model computes other features"):
        prove(model, open_bundle(str(bundle_paths[network]), 0))


def test_two_parts_from_different_bundles_are_refused(bundle_path: Path, tmp_path: Path) -> None:
    torch.manual_seed(2)
    write_bundle(tmp_path / "b", create_classifier("resnet18_d", 4), "resnet18_d", imagenet_contract(64), {})
    model = build("c4", bundle_path)
    model.roi_head.shared_head = bundle_stage(str(tmp_path / "b"), stage=3)
    with raises(ProofError, match=r"roi_head\.shared_head\.stage4.* differ in value"):
        prove(model, open_bundle(str(bundle_path), 0))


def test_a_stage_in_two_places_or_none_is_refused(bundle_path: Path) -> None:
    bundle = open_bundle(str(bundle_path), 0)
    model = build("c4", bundle_path, stages=4)
    with raises(ProofError, match=r"roi_head\.shared_head\.stage4.* have no origin"):
        prove(model, bundle)
    model = build("c4", bundle_path)
    model.roi_head.shared_head = nn.Identity()
    with raises(ProofError, match=r"backbone\.stage4.* have no place"):
        prove(model, bundle)
