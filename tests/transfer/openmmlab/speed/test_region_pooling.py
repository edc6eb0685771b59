"""All levels at once against mmdetection's own loop over them, to the last bit."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from transfer.openmmlab import ops_bridge
from transfer.openmmlab.speed import region_pooling
from transfer.openmmlab.speed.region_pooling import pool_whole_pyramids

STRIDES = (4, 8, 16, 32)
Build = Callable[..., nn.Module]


@pytest.fixture(scope="module")
def build_extractor() -> Build:
    ops_bridge.install()
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

    def build(strides: tuple[int, ...] = STRIDES, **layer: object) -> nn.Module:
        roi_layer = dict(type="RoIAlign", output_size=7, sampling_ratio=0) | layer
        return SingleRoIExtractor(roi_layer=roi_layer, out_channels=6, featmap_strides=list(strides))

    return build


def maps_and_boxes(
    strides: tuple[int, ...], boxes: int, largest: float = 400.0, dtype: torch.dtype = torch.float32
) -> tuple[list[Tensor], Tensor]:
    """Maps of two images of 320 x 256, boxes of all sizes."""
    generator = torch.Generator().manual_seed(boxes)
    maps = [
        torch.randn(2, 6, 256 // stride, 320 // stride, generator=generator)
        .to(dtype, memory_format=torch.channels_last)
        .requires_grad_()
        for stride in strides
    ]
    corner = torch.rand(boxes, 2, generator=generator) * torch.tensor([300.0, 240.0])
    extent = torch.rand(boxes, 2, generator=generator) ** 2 * largest + 1
    index = torch.randint(0, 2, (boxes, 1), generator=generator)
    return maps, torch.cat([index, corner, corner + extent], dim=1)


def output_and_gradients(extractor: nn.Module, maps: list[Tensor], boxes: Tensor, *more: float) -> list[Tensor]:
    output = extractor(tuple(maps), boxes, *more)
    weights = torch.linspace(-1, 1, output.numel()).view(output.shape)
    return [output.detach(), *torch.autograd.grad((output * weights).sum(), maps)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(build_extractor: Build, dtype: torch.dtype) -> None:
    plain, changed = build_extractor(), build_extractor()
    pool_whole_pyramids(changed)
    inputs = maps_and_boxes(STRIDES, 20, dtype=dtype)
    expected, found = (output_and_gradients(each, *inputs) for each in (plain, changed))
    assert found[0].dtype == dtype
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("strides", [STRIDES, (16,)])
def test_boxes_that_are_none(build_extractor: Build, strides: tuple[int, ...]) -> None:
    """One inverted, one not a number, between others."""
    plain, changed = build_extractor(strides), build_extractor(strides)
    pool_whole_pyramids(changed)
    maps, boxes = maps_and_boxes(strides, 6)
    boxes[1, 3] = boxes[1, 1] - 50
    boxes[4, 1:] = torch.nan
    expected, found = (output_and_gradients(each, maps, boxes) for each in (plain, changed))
    assert torch.equal(found[0], expected[0])
    assert not found[0][1].any()
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("boxes", [1, 2, 60])
@pytest.mark.parametrize(("strides", "layer"), [(STRIDES, {}), ((16,), {"output_size": 14, "sampling_ratio": 2})])
def test_equals_mmdetection(build_extractor: Build, boxes: int, strides: tuple[int, ...], layer: dict) -> None:
    """With one box, three levels have none."""
    plain = build_extractor(strides, **layer)
    changed = copy.deepcopy(plain)
    assert pool_whole_pyramids(changed) == 1
    inputs = maps_and_boxes(strides, boxes)
    pairs = list(zip(output_and_gradients(plain, *inputs), output_and_gradients(changed, *inputs), strict=True))
    assert pairs[0][0].abs().sum() > 0
    assert any(gradient.abs().sum() > 0 for gradient, _ in pairs[1:])
    for expected, found in pairs:
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("strides", [STRIDES, (16,)])
def test_boxes_made_larger(build_extractor: Build, strides: tuple[int, ...]) -> None:
    """Of one map alone, mmdetection leaves them as they are."""
    plain, changed = build_extractor(strides), build_extractor(strides)
    pool_whole_pyramids(changed)
    maps, boxes = maps_and_boxes(strides, 20, largest=60)
    expected, found = (output_and_gradients(each, maps, boxes, 1.3)[0] for each in (plain, changed))
    assert torch.equal(found, expected)
    assert torch.equal(found, output_and_gradients(changed, maps, boxes)[0]) == (len(strides) == 1)


def test_a_head_may_add_to_its_regions_in_place(build_extractor: Build) -> None:
    """As mmdetection's HTC and SCNet do; PyTorch refuses that of a view that an operation returned."""
    extractor = build_extractor((4, 8))
    maps, boxes = maps_and_boxes((4, 8), 6)
    stock = type(extractor).forward(extractor, maps, boxes)
    pool_whole_pyramids(nn.Sequential(extractor))
    regions = extractor(maps, boxes)
    assert not regions._is_view()
    regions += 1
    regions.sum().backward()
    assert torch.equal(regions, stock + 1)
    assert any(each.grad.abs().sum() > 0 for each in maps)


def test_another_version_of_mmdetection_is_left_alone(build_extractor: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_pooling, "WRITTEN_FOR", "3.2.0")
    assert pool_whole_pyramids(nn.Sequential(build_extractor((4, 8)))) == 0


def test_no_boxes(build_extractor: Build) -> None:
    extractor = build_extractor()
    pool_whole_pyramids(extractor)
    output, *gradients = output_and_gradients(extractor, *maps_and_boxes(STRIDES, 0))
    assert output.shape == (0, 6, 7, 7)
    assert not any(gradient.any() for gradient in gradients)


def test_gradients_keep_the_layout_of_the_maps(build_extractor: Build) -> None:
    extractor = build_extractor()
    pool_whole_pyramids(extractor)
    _, *gradients = output_and_gradients(extractor, *maps_and_boxes(STRIDES, 8))
    assert all(gradient.is_contiguous(memory_format=torch.channels_last) for gradient in gradients)


def test_max_pooling_and_other_modules_stay(build_extractor: Build) -> None:
    assert pool_whole_pyramids(nn.Sequential(build_extractor(pool_mode="max"), nn.Linear(2, 2))) == 0


def test_compiled_operations_stay(build_extractor: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops_bridge, "ops_in_use", lambda: "mmcv")
    assert pool_whole_pyramids(build_extractor()) == 0
