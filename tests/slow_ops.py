"""NMS and RoIAlign written slowly from their definitions, and what mmcv's layer makes of the same."""

from __future__ import annotations

import importlib
import itertools
import math
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transfer.openmmlab import ops_bridge

OPS = ops_bridge.install()
ops = importlib.import_module("mmcv.ops")

Box = tuple[int, int, int, int]


def slow_iou(a: Box, b: Box, offset: int) -> Fraction | None:
    """Intersection over union in exact arithmetic; None where both areas are zero."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    areas = sum((box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b))
    union = areas - width * height
    return Fraction(width * height, union) if union else None


def slow_nms(boxes: list[Box], scores: list[float], threshold: Fraction, offset: int) -> list[int]:
    """Highest score first (lower index among equals); drop what overlaps a kept box by more than the threshold."""
    kept: list[int] = []
    for candidate in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        overlaps = (slow_iou(boxes[candidate], boxes[other], offset) for other in kept)
        if all(overlap is None or overlap <= threshold for overlap in overlaps):
            kept.append(candidate)
    return kept


def axis_weights(start: float, length: float, bins: int, ratio: int, size: int) -> NDArray[np.float64]:
    """bins x size: what each pixel of one axis gives to each bin, averaged over the bin's samples."""
    weights = np.zeros((bins, size))
    samples = ratio if ratio > 0 else math.ceil(length / bins)
    for index, sample in itertools.product(range(bins), range(samples)):
        position = start + length / bins * (index + (sample + 0.5) / samples)
        if not -1 <= position <= size:
            continue  # further out than one pixel: the sample counts as zero
        position = min(max(position, 0), size - 1)
        low = int(position)
        weights[index, low] += (1 - (position - low)) / samples
        weights[index, min(low + 1, size - 1)] += (position - low) / samples
    return weights


def slow_weights(
    shape: tuple[int, ...], rois: Tensor, bins: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> NDArray[np.float64]:
    """R x bins x bins x N x H x W: RoIAlign, which is linear, as one matrix in float64."""
    batch, _, height, width = shape
    weights = np.zeros((len(rois), *bins, batch, height, width))
    for row, (image, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (corner * scale - (0.5 if aligned else 0) for corner in corners)
        roi_width, roi_height = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1), max(y2 - y1, 1))
        vertical = axis_weights(y1, roi_height, bins[0], ratio, height)
        horizontal = axis_weights(x1, roi_width, bins[1], ratio, width)
        weights[row, :, :, int(image)] = np.einsum("iy,jx->ijyx", vertical, horizontal)
    return weights


def some_rois() -> Tensor:
    """Random boxes, and boxes partly outside, wholly outside, of zero size, over everything, of the size of a pixel."""
    generator = torch.Generator().manual_seed(7)
    corner = torch.rand(12, 2, generator=generator) * torch.tensor([60.0, 40.0])
    boxes = torch.cat([corner, corner + torch.rand(12, 2, generator=generator) * 50 + 0.1], dim=1)
    special = [[-20.3, -9, 30, 22], [90, 60, 140.7, 99], [300, 200, 350, 260], [-90, -90, -50, -40]]
    special += [[20.2, 11.1, 20.2, 11.1], [0, 0, 88, 56], [8, 8, 12, 12], [-1000, 3.3, 1000, 30.7]]
    boxes = torch.cat([boxes, torch.tensor(special)])
    return torch.cat([torch.arange(len(boxes))[:, None] % 2, boxes], dim=1)


def run_roi_align(
    features: Tensor, rois: Tensor, cotangent: Tensor, scale: float, ratio: int, aligned: bool
) -> tuple[Tensor, Tensor]:
    """Output, and gradient of <output, cotangent> with respect to the features, through mmcv's layer."""
    features = features.clone().requires_grad_()
    layer = ops.RoIAlign(tuple(cotangent.shape[2:]), scale, ratio, aligned=aligned)
    output = layer(features, rois)
    output.backward(cotangent)
    assert features.grad is not None
    return output.detach(), features.grad


TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
