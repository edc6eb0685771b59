"""The ADE20K protocol as it is built: geometry, heads, loss, learning rates, normalisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model.utils import convert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, DefaultScope
from PIL import Image
from torch import nn

from backbones.bundles.ledger import ProofError
from transfer.openmmlab import ops_bridge
from transfer.openmmlab.batch_norm import LOCAL, SYNCHRONISED, check_batch_norm, choose_batch_norm
from transfer.openmmlab.trunk import open_bundle
from transfer.proof.arrival import prove
from transfer.protocol.derive import set_input_contract
from transfer.protocol.load import load_config

PROTOCOL = Path(__file__).resolve().parents[3] / "seg_configs/fcn_os8_ade20k.py"
NETWORKS = {"resnet18_d": (256, 512), "mobilenet_v1_025": (128, 256), "inception_v3": (768, 2048)}


def built(network: str, *options: str) -> tuple[nn.Module, Config]:
    ops_bridge.install()
    from mmseg.utils import register_all_modules

    from transfer.tasks.segmentation import SEGMENTATION

    register_all_modules(init_default_scope=False)
    config, bundle = load_config(str(PROTOCOL), options), open_bundle(f"random:{network}", 0)
    SEGMENTATION.set_classes(config, SEGMENTATION.default_classes())
    SEGMENTATION.set_channels(config, bundle)
    set_input_contract(config, bundle.input_contract)
    config.model.backbone.bundle = f"random:{network}"
    with DefaultScope.overwrite_default_scope("mmseg"):
        model = MODELS.build(config.model)
        model.init_weights()
    return model, config


@pytest.mark.parametrize(("network", "channels"), NETWORKS.items())
def test_heads_follow_the_trunk(network: str, channels: tuple[int, int]) -> None:
    model, _ = built(network)
    maps = model.backbone.eval()(torch.zeros(1, 3, 96, 128))
    assert [tuple(each.shape[2:]) for each in maps[1:]] == [(12, 16)] * 3
    heads = (model.auxiliary_head, 2, channels[0], 0.5), (model.decode_head, 3, channels[1], 1.0)
    for head, stage, width, weight in heads:
        assert head.in_index == stage
        (block,) = head.convs
        assert block.conv.weight.shape == (width // 4, width, 3, 3)
        assert block.conv.bias is None
        assert block.order == ("conv", "norm", "act")
        assert isinstance(block.norm, nn.BatchNorm2d)
        assert isinstance(block.activate, nn.ReLU)
        assert head.dropout.p == 0.1
        assert head.conv_seg.weight.shape == (150, width // 4, 1, 1)
        assert head.loss_decode.loss_weight == weight
        assert head.ignore_index == 255
        assert not hasattr(head, "conv_cat")


def test_the_last_two_stages_are_dilated() -> None:
    model, _ = built("resnet50_b")
    for name, dilations, strides in (("stage2", {1}, {1, 2}), ("stage3", {1, 2}, {1}), ("stage4", {2, 4}, {1})):
        stage = getattr(model.backbone, name)
        convolutions = [module for module in stage.modules() if isinstance(module, nn.Conv2d)]
        assert {each.dilation[0] for each in convolutions if each.kernel_size == (3, 3)} == dilations
        assert {each.stride[0] for each in convolutions} == strides


def test_heads_learn_ten_times_faster_on_a_polynomial_schedule() -> None:
    model, config = built("mobilenet_v1_025")
    groups = build_optim_wrapper(model, config.optim_wrapper).optimizer.param_groups
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == pytest.approx(0.01 if name.startswith("backbone.") else 0.1), name
    assert {(group["momentum"], group["weight_decay"]) for group in groups} == {(0.9, 1e-4)}
    (schedule,) = config.param_scheduler
    assert (schedule.type, schedule.power, schedule.end) == ("PolyLR", 0.9, 120 * 20210 // 16)
    assert schedule.end == config.train_cfg.max_iters
    assert config.base_batch_size == 16


def test_label_0_is_ignored_and_1_is_the_first_class(tmp_path: Path) -> None:
    model, config = built("mobilenet_v1_025")
    values = np.zeros((96, 128), np.uint8)
    values[:48, :64], values[:48, 64:], values[48:, :64] = 1, 150, 255
    for split in ("images/training", "annotations/training"):
        (tmp_path / split).mkdir(parents=True)
    Image.fromarray(values).save(tmp_path / "annotations/training/a.png")
    Image.fromarray(np.full((96, 128, 3), 90, np.uint8)).save(tmp_path / "images/training/a.jpg")
    config.train_dataloader.dataset.data_root = str(tmp_path)
    config.train_dataloader.dataset.pipeline = [
        config.train_pipeline[0],
        config.train_pipeline[1],
        {"type": "PackSegInputs"},
    ]
    with DefaultScope.overwrite_default_scope("mmseg"):
        (sample,) = DATASETS.build(config.train_dataloader.dataset)
    seen = sample["data_samples"].gt_sem_seg.data[0]
    assert seen.unique().tolist() == [0, 149, 255]
    assert ((seen == 255).numpy() == np.isin(values, (0, 255))).all()
    logits = torch.randn(1, 150, 12, 16)
    loss = model.decode_head.loss_by_feat(logits, [sample["data_samples"]])["loss_ce"]
    unlabelled = nn.functional.interpolate(logits, (96, 128), mode="bilinear")
    unlabelled[:, :, torch.from_numpy(np.isin(values, (0, 255)))] += 7 * torch.randn(150, 1)
    shrunk = model.decode_head.loss_decode(unlabelled, seen[None], ignore_index=255)
    torch.testing.assert_close(shrunk, loss)  # whatever is predicted where there is no label


def test_batch_norm_is_synchronised_on_several_gpus_only() -> None:
    for device, processes, chosen in (
        ("cpu", 1, LOCAL),
        ("cpu", 2, LOCAL),
        ("cuda", 1, LOCAL),
        ("cuda", 2, SYNCHRONISED),
    ):
        config = load_config(str(PROTOCOL), ())
        assert choose_batch_norm(config, torch.device(device), processes) == chosen
        assert config.get("sync_bn") == ("torch" if chosen == SYNCHRONISED else None)
    config = load_config(str(PROTOCOL), ("sync_bn=None",))
    assert choose_batch_norm(config, torch.device("cuda"), 2) == LOCAL


def test_the_built_model_has_the_batch_norm_that_was_chosen() -> None:
    model, _ = built("mobilenet_v1_025")
    assert check_batch_norm(model, LOCAL, 4) == {"BatchNorm2d": 29}
    with pytest.raises(ProofError, match="estimates BatchNorm's statistics, and by its configuration it keeps them"):
        check_batch_norm(model, LOCAL, None)
    with pytest.raises(ProofError, match="29 layers of BatchNorm2d where SyncBatchNorm was chosen"):
        check_batch_norm(model, SYNCHRONISED, 4)
    model = convert_sync_batchnorm(model)
    assert check_batch_norm(model, SYNCHRONISED, 4) == {"SyncBatchNorm": 29}
    with pytest.raises(ProofError, match="29 layers of SyncBatchNorm where BatchNorm was chosen"):
        check_batch_norm(model, LOCAL, 4)
    _, proof = prove(model, open_bundle("random:mobilenet_v1_025", 0))  # the same tensors, the same features
    assert proof["features"]["equal"] is True
