"""The regions of a whole pyramid in one differentiable operation, for detectors on a CPU.

mmdetection cuts regions out level by level: per level a tensor of zeros, RoIAlign into it, and a copy into the tensor
of all levels; the same backwards, where the matrix of RoIAlign is made a second time. Here each level writes its
regions into the tensor of all, the matrices are kept for the gradient, and gradients leave in channels_last, as the
maps came. The numbers are the same to the last bit.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from backbones.machine.versions import is_version
from transfer.openmmlab import ops_bridge
from transfer.openmmlab.modules.roi_align import Sampling, interpolation_matrix, multiply, transposed

WRITTEN_FOR = "3.3.0"  # of mmdetection, whose SingleRoIExtractor.forward these lines stand in for


def pool_whole_pyramids(model: nn.Module) -> int:
    """Have mmdetection's region extractors in a model on the CPU work so; returns how many there were.

    Those of another version of mmdetection and of max pooling stay as they are, and all do where mmcv's own compiled
    operations are installed; so does what is computed on a GPU or in 16 bits.
    """
    extractors: list[Any] = [module for module in model.modules() if _can_pool(module)]
    for extractor in extractors:
        extractor.forward = functools.partial(_extract, extractor)
    return len(extractors)


def _can_pool(module: Any) -> bool:
    # By name: mmdetection is not imported where segmentors are trained.
    if type(module).__name__ != "SingleRoIExtractor" or ops_bridge.ops_in_use() != "torchvision":
        return False
    if not is_version("mmdet", WRITTEN_FOR):
        return False
    layers = module.roi_layers
    return all(type(layer).__name__ == "RoIAlign" and layer.pool_mode == "avg" for layer in layers)


def _extract(extractor: Any, feats: Sequence[Tensor], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
    """In place of ``SingleRoIExtractor.forward``, which GPUs and half precision go on with; the names are its own."""
    if feats[0].device.type != "cpu" or feats[0].dtype not in (torch.float32, torch.float64):
        return type(extractor).forward(extractor, feats, rois, roi_scale_factor)
    rois = rois.type_as(feats[0])
    if len(feats) == 1:  # mmdetection's own short way, in which boxes are not made larger either
        levels = torch.zeros(len(rois), dtype=torch.int64)
    else:
        levels = extractor.map_roi_levels(rois, len(feats))
        if roi_scale_factor is not None:
            rois = extractor.roi_rescale(rois, roi_scale_factor)
    samplings = [
        Sampling(layer.output_size, layer.spatial_scale, layer.sampling_ratio, layer.aligned)
        for layer in extractor.roi_layers[: len(feats)]
    ]
    return pool_regions(feats, rois, levels, samplings)


def pool_regions(maps: Sequence[Tensor], rois: Tensor, levels: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """RoIAlign of each box from the map of its level.

    Args:
        maps: Per level N x C x H x W on the CPU, float32 or float64. Fastest in channels_last, where nothing is copied.
        rois: R x 5, (index into N, x1, y1, x2, y2) in image pixels, of the same dtype.
        levels: R, int64: the map that each box is cut out of. A number that is no map's gives zeros: mmdetection has
            such for boxes of negative or no area that is a number.
        samplings: Per level; all have the same bins.

    Returns:
        R x C x bins. No gradient reaches the boxes.
    """
    return _Pooling.apply(rois, levels, tuple(samplings), *maps)


class _Pooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rois: Tensor, levels: Tensor, samplings: tuple[Sampling, ...], *maps: Tensor) -> Tensor:
        (rows, columns), channels = samplings[0].bins, maps[0].shape[1]
        # Written through a view that has the channels last. What is returned is no view: heads may add to it in place.
        pooled = torch.empty(len(rois), channels, rows, columns, dtype=maps[0].dtype, memory_format=torch.channels_last)
        by_bin = pooled.permute(0, 2, 3, 1).view(len(rois), rows * columns, channels)
        ctx.shapes = [features.shape for features in maps]
        ctx.parts = []
        for level, (features, sampling) in enumerate(zip(maps, samplings, strict=True)):
            chosen = (levels == level).nonzero().squeeze(1)
            matrix = interpolation_matrix(rois[chosen], features.shape, sampling)
            by_pixel = features.permute(0, 2, 3, 1).reshape(-1, channels)
            by_bin[chosen] = multiply(matrix, by_pixel).view(len(chosen), rows * columns, channels)
            ctx.parts.append((chosen, matrix))
        by_bin[(levels < 0) | (levels >= len(maps))] = 0
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        channels, bins = gradient.shape[1], gradient.shape[2] * gradient.shape[3]
        by_bin = gradient.permute(0, 2, 3, 1).reshape(-1, bins, channels)
        gradients = []
        for shape, (chosen, matrix) in zip(ctx.shapes, ctx.parts, strict=True):
            batch, _, height, width = shape
            by_pixel = multiply(transposed(matrix), by_bin[chosen].reshape(-1, channels))
            gradients.append(by_pixel.view(batch, height, width, channels).permute(0, 3, 1, 2))
        return None, None, None, *gradients
