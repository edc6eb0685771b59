"""What the two sides of a benchmark are given is the same, and so is what their networks compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from backbones.models import create_backbone
from benchmarks.subjects.openmmlab_loops import Work, our_config, stock_config, tune
from benchmarks.subjects.same_weights import load_ours, load_stock, save_stock
from benchmarks.subjects.scenes import write_ade20k, write_voc
from transfer.data.class_names import ade20k_classes
from transfer.data.index_png import check_index_png
from transfer.data.voc import VOC_CLASSES, check_voc
from transfer.openmmlab import ops_bridge


@pytest.fixture(scope="module", autouse=True)
def ops() -> None:
    ops_bridge.install()


@pytest.fixture(params=["detection", "segmentation"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Work:
    size = (96, 64) if request.param == "detection" else (64, 64)
    return Work(request.param, 50, size, 4, tmp_path, tmp_path, turns=2, steps=3, images=2)


def plain(value: Any) -> Any:
    """Without ``None``, which is what a setting left out is, and mmengine's notes of where a setting comes from."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if inner is not None and key != "_scope_"}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def pipeline(config: Any, split: str) -> list[dict[str, Any]]:
    return plain(config[f"{split}_dataloader"].dataset.pipeline)


def test_data_and_updates_are_the_same(work: Work) -> None:
    stock, ours = stock_config(work), our_config(work)
    for split in ("train", "test"):
        assert pipeline(ours, split) == pipeline(stock, split)
        for key in ("num_workers", "sampler"):
            assert plain(ours[f"{split}_dataloader"][key]) == plain(stock[f"{split}_dataloader"][key])
    assert any(step.get("scale", step.get("crop_size")) == list(work.size) for step in pipeline(ours, "train"))
    assert ours.train_cfg == stock.train_cfg
    assert stock.train_cfg.max_iters == 6
    assert ours.base_batch_size == stock.train_dataloader.batch_size == work.batch
    assert ours.test_dataloader.batch_size == stock.test_dataloader.batch_size
    assert plain(ours.optim_wrapper.to_dict()) == plain(stock.optim_wrapper.to_dict())


@pytest.mark.parametrize("gpu", [False, True])
def test_stock_at_its_best_differs_in_speed_alone(work: Work, gpu: bool) -> None:
    stock, tuned = stock_config(work), tune(stock_config(work), gpu)
    assert tuned.optim_wrapper.optimizer.pop("fused") is True
    assert tuned.pop("efficient_conv_bn_eval", None) == (["backbone"] if work.task == "detection" else None)
    assert tuned.train_dataloader.pop("persistent_workers") is True
    if gpu:
        assert (tuned.optim_wrapper.type, tuned.optim_wrapper.pop("dtype")) == ("AmpOptimWrapper", "bfloat16")
        tuned.optim_wrapper.type = stock.optim_wrapper.type
        assert tuned.env_cfg.cudnn_benchmark is True
        tuned.env_cfg = stock.env_cfg
        assert all(tuned[f"{split}_dataloader"].pop("pin_memory") for split in ("train", "test"))
    for key in ("model", "optim_wrapper", "train_cfg", "param_scheduler"):
        assert plain(tuned[key]) == plain(stock[key])
    stock.train_dataloader.pop("persistent_workers", None)
    assert plain(tuned.train_dataloader) == plain(stock.train_dataloader)


def test_heads_are_the_same(work: Work) -> None:
    stock, ours = stock_config(work).model, our_config(work).model
    parts = ("neck", "rpn_head", "roi_head", "train_cfg", "test_cfg", "decode_head", "auxiliary_head")
    for part in (part for part in parts if part in stock):
        theirs, own = plain(stock[part].to_dict()), plain(ours[part].to_dict())
        if part == "roi_head":
            assert theirs["bbox_roi_extractor"]["roi_layer"].pop("use_torchvision")
        # The number of classes and channels come when it runs, from the data and the bundle.
        assert {key: own[key] for key in own} == {key: theirs[key] for key in own}
        assert set(theirs) - set(own) <= {"num_classes", "in_channels", "channels"}


@pytest.mark.parametrize(("task", "depth"), [("detection", 18), ("detection", 50), ("segmentation", 50)])
def test_backbones_compute_the_same(task: str, depth: int, tmp_path: Path) -> None:
    """With stock's weights carried over; a table with two tensors exchanged would show."""
    work = Work(task, depth, (64, 64), 2, tmp_path, tmp_path, 1, 1, 1)
    network = work.network
    theirs, ours = nn.Module(), nn.Module()
    theirs.backbone = _stock_backbone(work)
    ours.backbone = create_backbone(network, output_stride=8 if task == "segmentation" else 32, padded=True)
    save_stock(theirs, work.weights, network)
    load_ours(ours, work.weights, network)
    images = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        found, expected = ours.eval().backbone(images), theirs.eval().backbone(images)
    for one, other in zip(found, expected, strict=True):
        assert one.std() > 0
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * other.abs().max().item())
    with torch.no_grad():
        next(theirs.parameters()).add_(1)
    load_stock(theirs, work.weights)
    assert torch.equal(next(theirs.parameters()), next(ours.parameters()))


def _stock_backbone(work: Work) -> nn.Module:
    if work.task == "detection":
        from mmdet.registry import MODELS
    else:
        from mmseg.registry import MODELS
    import mmseg.models  # noqa: F401 -- both register their networks

    return MODELS.build(stock_config(work).model.backbone)


def test_the_detectors_data_is_whole(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "data", 5, 3, 4)
    summary = check_voc(root, [("VOC2007", "trainval"), ("VOC2007", "test")], VOC_CLASSES)
    assert summary.images == 8
    assert sum(summary.objects.values()) == 32
    assert summary.images_without_objects == 0


def test_the_segmentors_data_is_whole(tmp_path: Path) -> None:
    root = write_ade20k(tmp_path / "data", 3, 2)
    for split, count in (("training", 3), ("validation", 2)):
        places = (f"images/{split}", f"annotations/{split}")
        assert check_index_png(root, *places, ade20k_classes(), reduce_zero_label=True).images == count


def test_another_seed_is_another_order(work: Work) -> None:
    other = stock_config(replace(work, seed=1))
    assert other.train_dataloader.sampler.seed == other.randomness.seed == 1
    assert other.work_dir != stock_config(work).work_dir
