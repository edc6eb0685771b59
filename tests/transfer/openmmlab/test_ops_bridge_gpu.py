"""The bridge's kernels on a GPU, against loops written from the definitions and against the CPU's."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from pytest import mark
from slow_ops import TOLERANCE, ops, run_roi_align, slow_nms, slow_weights, some_rois

pytestmark = [mark.gpu, mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@mark.parametrize("dtype", [*DTYPES, torch.float64], ids=str)
@mark.parametrize("offset", [0, 1])
@mark.parametrize("tenths", [3, 5, 7])
def test_nms_equals_the_definition(tenths: int, offset: int, dtype: torch.dtype) -> None:
    random = np.random.default_rng(tenths)
    corners = random.integers(0, 40, (60, 2))
    boxes = np.concatenate([corners, corners + random.integers(0, 24, (60, 2))], axis=1)
    scores = random.permutation(60) / 64  # exact in every precision, and no two alike
    kept = ops.nms(
        torch.tensor(boxes, dtype=dtype).cuda(), torch.tensor(scores, dtype=dtype).cuda(), tenths / 10, offset
    )[1]
    expected = slow_nms([tuple(map(int, box)) for box in boxes], scores.tolist(), Fraction(tenths, 10), offset)
    assert 5 < len(expected) < 60
    assert kept.device.type == "cuda"
    assert kept.tolist() == expected


@mark.parametrize("dtype", DTYPES, ids=str)
@mark.parametrize("ratio", [0, 2])
@mark.parametrize("aligned", [True, False])
@mark.parametrize("channels_last", [True, False])
def test_roi_align_equals_the_definition(channels_last: bool, aligned: bool, ratio: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    rois, shape = some_rois(), (2, 3, 14, 22)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    features = torch.randn(shape, generator=generator).to(dtype)
    cotangent = torch.randn(len(rois), 3, 7, 7, generator=generator).to(dtype)
    given = features.cuda().contiguous(memory_format=layout)
    output, gradient = run_roi_align(given, rois.cuda(), cotangent.cuda(), 0.25, ratio, aligned)
    weights = slow_weights(shape, rois, (7, 7), 0.25, ratio, aligned)
    expected = np.einsum("rijnyx,ncyx->rcij", weights, features.double().numpy())
    expected_gradient = np.einsum("rijnyx,rcij->ncyx", weights, cotangent.double().numpy())
    assert output.dtype == gradient.dtype == dtype
    assert output.device.type == gradient.device.type == "cuda"
    for ours, theirs in ((output, expected), (gradient, expected_gradient)):
        assert np.abs(ours.double().cpu().numpy() - theirs).max() < TOLERANCE[dtype] * np.abs(theirs).max()


@mark.parametrize("dtype", DTYPES, ids=str)
def test_cuda_equals_cpu(dtype: torch.dtype) -> None:
    rois, generator = some_rois(), torch.Generator().manual_seed(1)
    features = torch.randn(2, 3, 14, 22, generator=generator).to(dtype)
    cotangent = torch.randn(len(rois), 3, 7, 7, generator=generator).to(dtype)
    expected = run_roi_align(features, rois, cotangent, 0.25, 0, True)
    found = run_roi_align(features.cuda(), rois.cuda(), cotangent.cuda(), 0.25, 0, True)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.cpu(), theirs, atol=1e-2, rtol=1e-2)
    scores = torch.rand(len(rois), generator=generator)
    on_cuda = ops.nms(rois[:, 1:].cuda(), scores.cuda(), 0.3)[1]
    assert on_cuda.tolist() == ops.nms(rois[:, 1:], scores, 0.3)[1].tolist()
