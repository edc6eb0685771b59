"""Networks of timm through whole transfers on tiny rendered images: proof, one update, evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest import mark, param

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from backbones.models import create_classifier
from backbones.tricks.zero_gamma import undo_zero_last_gamma
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION
from transfer.tasks.segmentation import SEGMENTATION

ROOT = Path(__file__).resolve().parents[3]
DILATED = ["regnety_004", "convnext_atto"]
DILATED_SLOW = ["tf_efficientnet_lite0", "efficientnet_b0", "resnext50_32x4d", "seresnet50", "res2net50_26w_4s"]
PLAIN = "vit_tiny_patch16_224"
PATCH_14 = "eva02_tiny_patch14_224"  # as DINOv2's and CLIP's large ones
HEADS = ("model.decode_head", "model.auxiliary_head")
OTHERS = ["mobilenetv3_large_100"]
SWIN, CONVOLUTIONAL = "swin_tiny_patch4_window7_224", ["densenet121", "hrnet_w18_small", "vgg16_bn"]
OTHERS_SLOW = [*CONVOLUTIONAL, SWIN]
SHORT_DETECTION = (
    "train_cfg.max_epochs=1",
    "train_dataloader.dataset.pipeline.2.scale=(64,64)",
    "test_dataloader.dataset.pipeline.1.scale=(64,64)",
    "model.neck.out_channels=16",
    "model.rpn_head.in_channels=16",
    "model.rpn_head.feat_channels=16",
    "model.roi_head.bbox_roi_extractor.out_channels=16",
    "model.roi_head.bbox_head.in_channels=16",
    "model.roi_head.bbox_head.fc_out_channels=16",
    "param_scheduler=[]",
)
SHORT_SIMPLE_FPN = (
    *(option for option in SHORT_DETECTION if "dataset.pipeline" not in option),
    "train_dataloader.dataset.pipeline.2.scale=(70,70)",  # no multiple of anything
    "test_dataloader.dataset.pipeline.1.scale=(70,70)",
)
SHORT_SEGMENTATION = ("train_cfg.max_iters=1", "train_dataloader.dataset.pipeline.2.crop_size=(64,64)")

SHORT_UPERNET = (
    "train_cfg.max_iters=1",
    "model.data_preprocessor.size=(64,64)",
    "train_dataloader.dataset.pipeline.2.scale=(64,64)",
    "train_dataloader.dataset.pipeline.3.crop_size=(64,64)",
    "test_dataloader.dataset.pipeline.1.scale=(70,70)",  # no multiple of anything
    "model.decode_head.channels=16",
    "model.auxiliary_head.channels=16",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=10, size=64, layouts=("detection", "segmentation"))


def bundle(name: str, folder: Path) -> str:
    """A classifier whose features reach its last map."""
    torch.manual_seed(1)
    classifier = create_classifier(f"timm:{name}", 4)
    undo_zero_last_gamma(classifier.trunk)
    for module in classifier.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        classifier.train()(torch.randn(4, 3, 64, 64))
    path = folder / "backbone.safetensors"
    write_bundle(path, classifier, f"timm:{name}", imagenet_contract(64), {"recipe": "r", "seed": 5})
    return str(path)


def detect(backbone: str, data: Path, out: Path, *options: str) -> dict[str, Any]:
    config = str(ROOT / "det_configs/faster_rcnn_fpn_demo.py")
    folder = str(data / "VOCdevkit")
    asked = TransferOptions(
        config, backbone, str(out), folder, workers=0, total_batch=4, cfg_options=(*SHORT_DETECTION, *options)
    )
    return run_transfer(DETECTION, asked)


def segment(backbone: str, data: Path, out: Path, *options: str) -> dict[str, Any]:
    config = str(ROOT / "seg_configs/fcn_os8_demo.py")
    folder = str(data / "ADEChallengeData2016")
    asked = TransferOptions(
        config, backbone, str(out), folder, workers=0, total_batch=4, cfg_options=(*SHORT_SEGMENTATION, *options)
    )
    return run_transfer(SEGMENTATION, asked)


def slow(names: list[str]) -> list[Any]:
    return [param(name, marks=mark.slow) for name in names]


def more(names: list[str]) -> list[Any]:
    return [param(name, marks=[mark.slow, mark.exhaustive]) for name in names]


# Each of the larger networks once in any case: in what asks more of it.
@mark.parametrize("name", [*DILATED, *slow(OTHERS), *more([SWIN, *DILATED_SLOW, *CONVOLUTIONAL])])
def test_detection_reads_the_maps_at_strides_4_to_32(name: str, data: Path, tmp_path: Path) -> None:
    result = detect(bundle(name, tmp_path), data, tmp_path / "run", "model.backbone.frozen_stages=1")
    features = result["proof"]["features"]
    assert features["equal"]
    assert features["geometry"] == "as built"
    shapes = dict(zip([stage["stage"] for stage in features["stages"]], features["stages"], strict=True))
    assert [shapes[stage]["shape"][2] for stage in features["returned"]] == [16, 8, 4, 2]
    ledger = json.loads((tmp_path / "run/ledger.json").read_text())
    assert all(row["target"] == f"backbone.{row['source'][6:]}" for row in ledger if row["fate"] == "mapped")
    assert {row["fate"] for row in ledger} >= {"mapped", "dropped: classifier head"}
    # Stage 1 of the protocol is the one that ends at stride 4, with all before it.
    after = result["proof"]["after_training"]["stages"]
    held = {stage["stage"] for stage in after if not stage["moved"]}
    assert held == {stage["stage"] for stage in after} - set(features["returned"][1:])
    assert "first_step" in result["proof"]


@mark.parametrize("name", [*DILATED, *more(DILATED_SLOW)])
def test_segmentation_dilates_what_timm_can_dilate(name: str, data: Path, tmp_path: Path) -> None:
    result = segment(bundle(name, tmp_path), data, tmp_path / "run")
    features = result["proof"]["features"]
    assert features["geometry"].startswith("classification, with the built tensors; and as built")
    assert features["dense_output_stride"] == 8
    assert all(stage["moved"] for stage in result["proof"]["after_training"]["stages"])


def segment_by(protocol: str, backbone: str, data: Path, out: Path, *options: str) -> dict[str, Any]:
    """One update under one of the protocols for ADE20K that descend from UPerNet's."""
    asked = TransferOptions(
        str(ROOT / "seg_configs" / protocol),
        backbone,
        str(out),
        str(data / "ADEChallengeData2016"),
        workers=0,
        total_batch=4,
        cfg_options=options,
    )
    return run_transfer(SEGMENTATION, asked)


@mark.parametrize("name", [*OTHERS, *slow([SWIN]), *more([*CONVOLUTIONAL, "convnext_atto"])])
def test_upernet_takes_what_cannot_be_dilated(name: str, data: Path, tmp_path: Path) -> None:
    result = segment_by("upernet_ade20k.py", bundle(name, tmp_path), data, tmp_path / "run", *SHORT_UPERNET)
    features = result["proof"]["features"]
    assert features["geometry"] == "as built"
    assert len(features["returned"]) == 4
    assert all(stage["moved"] for stage in result["proof"]["after_training"]["stages"])


@mark.parametrize(
    ("protocol", "name"),
    [
        ("linear_ade20k.py", PATCH_14),
        *(
            param(*case, marks=mark.slow)
            for case in [
                ("linear_ade20k.py", PLAIN),
                ("linear_ade20k.py", "convnext_atto"),
                ("upernet_simple_fpn_ade20k.py", PLAIN),
                ("upernet_adamw_ade20k.py", "convnext_atto"),
            ]
        ),
    ],
)
def test_protocols_with_adamw_train_every_stage(protocol: str, name: str, data: Path, tmp_path: Path) -> None:
    linear = protocol.startswith("linear")
    short = [option for option in SHORT_UPERNET if not linear or not option.startswith(HEADS)]
    result = segment_by(protocol, bundle(name, tmp_path), data, tmp_path / "run", *short, "param_scheduler=[]")
    features = result["proof"]["features"]
    assert features["geometry"] == "as built"
    assert len(features["returned"]) == (4 if protocol.startswith("upernet_adamw") else 1)
    assert all(stage["moved"] for stage in result["proof"]["after_training"]["stages"])


@mark.parametrize("name", [PLAIN, PATCH_14])
def test_a_simple_feature_pyramid_takes_a_plain_transformer(name: str, data: Path, tmp_path: Path) -> None:
    options = TransferOptions(
        str(ROOT / "det_configs/faster_rcnn_simple_fpn_voc07.py"),
        bundle(name, tmp_path),
        str(tmp_path / "run"),
        str(data / "VOCdevkit"),
        workers=0,
        total_batch=4,
        cfg_options=(*SHORT_SIMPLE_FPN, "model.backbone.frozen_stages=2"),
    )
    result = run_transfer(DETECTION, options)
    features = result["proof"]["features"]
    assert (features["geometry"], features["returned"]) == ("as built", ["blocks.11"])
    held = [stage["stage"] for stage in result["proof"]["after_training"]["stages"] if not stage["moved"]]
    assert held == ["stem", "blocks.0", "blocks.1"]


@mark.parametrize("name", [*OTHERS, *slow(OTHERS_SLOW)])
def test_what_cannot_be_dilated_is_refused_in_one_line(name: str, data: Path, tmp_path: Path) -> None:
    words = f"timm cannot build timm:{name} dilated; seg_configs/upernet_ade20k.py takes it"
    with pytest.raises(UserError, match=words) as caught:
        segment(f"random:timm:{name}", data, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@mark.parametrize(
    ("name", "message"),
    [
        (PLAIN, "has maps of stride 16 alone, .* maps of strides 4, 8, 16, 32; det_configs/faster_rcnn_simple_fpn_"),
        ("vit_small_patch14_dinov2", "has maps of stride 14 alone, .*; det_configs/faster_rcnn_simple_fpn_"),
        ("levit_128s", "has maps of stride 16, 32, 64 alone, .*; no protocol here takes it"),
        ("inception_v4", "leaves out the border of images"),
        ("bat_resnext26ts", "takes images of 256 pixels alone"),
    ],
)
def test_what_has_no_pyramid_is_refused_in_one_line(name: str, message: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        detect(f"random:timm:{name}", data, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_random_trunk_says_how_it_was_initialised(data: Path, tmp_path: Path) -> None:
    """Also without any BatchNorm in the model, and with drop path and recomputation."""
    backbone = ("model.backbone.drop_path=0.1", "model.backbone.grad_checkpointing=True")
    result = detect("random:timm:convnext_atto", data, tmp_path / "run", *backbone)
    assert result["backbone"]["initialisation"] == "timm's own initialisation"
    assert result["training"]["batch_norm_images"] is None
    assert result["proof"]["batch_norm"] == {}


def test_a_stage_of_timm_is_no_head_of_regions(data: Path, tmp_path: Path) -> None:
    options = TransferOptions(
        str(ROOT / "det_configs/faster_rcnn_c4_voc07.py"),
        "random:timm:regnety_004",
        str(tmp_path / "run"),
        str(data / "VOCdevkit"),
    )
    with pytest.raises(UserError, match=r"no stage that a head of regions could take over; take .*fpn_voc0712\.py"):
        run_transfer(DETECTION, options)
