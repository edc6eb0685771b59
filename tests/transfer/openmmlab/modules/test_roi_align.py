"""RoIAlign as a sparse matrix against torchvision's kernels; ``test_ops_bridge`` holds both against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torchvision  # noqa: F401 -- registers torch.ops.torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from transfer.openmmlab.modules.roi_align import Sampling, interpolation_matrix, roi_align, roi_align_gradient

kernels = torch.ops.torchvision


def largest_difference(features: Tensor, cotangent: Tensor, rois: Tensor, sampling: Sampling) -> float:
    """Between ours and torchvision's, over output and gradient, relative to the largest value."""
    bins, scale, ratio, aligned = sampling
    pairs = (
        (roi_align(features, rois, sampling), kernels.roi_align(features, rois, scale, *bins, ratio, aligned)),
        (
            roi_align_gradient(cotangent, rois, features.shape, sampling),
            kernels._roi_align_backward(cotangent, rois, scale, *bins, *features.shape, ratio, aligned),
        ),
    )
    assert all(ours.shape == theirs.shape and ours.dtype == theirs.dtype for ours, theirs in pairs)
    return max(
        ((ours - theirs).abs() / max(1, theirs.abs().max().item())).max().item()
        for ours, theirs in pairs
        if ours.numel()
    )


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**31),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    boxes=st.integers(0, 12),
    largest_box=st.sampled_from([0.1, 1.0, 3.0]),
    whole_pixels=st.booleans(),
    channels_last=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    sampling=st.builds(
        Sampling,
        bins=st.sampled_from([(14, 14), (7, 7), (2, 2), (1, 3)]),
        spatial_scale=st.sampled_from([1.0, 0.25, 1 / 6, 1 / 16]),
        sampling_ratio=st.sampled_from([-1, 0, 1, 2, 3]),
        aligned=st.booleans(),
    ),
)
def test_equals_torchvision(
    seed: int,
    size: tuple[int, int],
    boxes: int,
    largest_box: float,
    whole_pixels: bool,
    channels_last: bool,
    dtype: torch.dtype,
    sampling: Sampling,
) -> None:
    """Boxes lie inside, across and outside the image, at whole pixels too, where samples fall on its very border."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.tensor(size[::-1]) / sampling.spatial_scale
    corner = (torch.rand(boxes, 2, generator=generator) * 2 - 0.5) * image
    extent = torch.rand(boxes, 2, generator=generator) * largest_box * image
    if whole_pixels:
        corner, extent = corner.round(), extent.round()
    index = torch.randint(0, 2, (boxes, 1), generator=generator)
    rois = torch.cat([index, corner, corner + extent], dim=1).to(dtype)
    features = torch.randn(2, 3, *size, generator=generator, dtype=dtype)
    if channels_last:
        features = features.contiguous(memory_format=torch.channels_last)
    cotangent = torch.randn(boxes, 3, *sampling.bins, generator=generator, dtype=dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert largest_difference(features, cotangent, rois, sampling) < tolerance


def test_the_regions_of_the_third_stage() -> None:
    """14 x 14 bins of 2 x 2 samples on a map at stride 16, from boxes of a few pixels to the whole image."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(64, 2, generator=generator) * torch.tensor([320.0, 240.0])
    extent = 2 ** (torch.rand(64, 2, generator=generator) * 7 + 1)
    rois = torch.cat([torch.arange(64).remainder(2)[:, None], corner, corner + extent], dim=1)
    features = torch.randn(2, 16, 15, 20, generator=generator).contiguous(memory_format=torch.channels_last)
    cotangent = torch.randn(64, 16, 14, 14, generator=generator)
    assert largest_difference(features, cotangent, rois, Sampling((14, 14), 1 / 16, 2, True)) < 1e-5


@pytest.mark.parametrize("aligned", [True, False])
def test_samples_on_the_border(aligned: bool) -> None:
    """At exactly -1 and at exactly the size a sample still counts; beyond, it does not. One sample per box, at x."""
    at = torch.tensor([-1.0, -1.0 - 2**-20, -0.5, 0.0, 7.0, 7.5, 8.0, 8.0 + 2**-20]) + 0.5 * aligned
    rois = torch.stack([torch.zeros(8), at - 1, torch.full((8,), 2.0), at + 1, torch.full((8,), 4.0)], dim=1)
    sampling = Sampling((1, 1), 1.0, 1, aligned)
    output = roi_align(torch.ones(1, 1, 8, 8), rois, sampling).flatten()
    assert output.tolist() == [1, 0, 1, 1, 1, 1, 1, 0]
    assert torch.equal(output, kernels.roi_align(torch.ones(1, 1, 8, 8), rois, 1.0, 1, 1, 1, aligned).flatten())


def test_each_bin_inside_is_an_average() -> None:
    """Rows of the matrix sum to one, and a pixel that several samples share is stored once."""
    rois = torch.tensor([[1.0, 3.2, 2.1, 14.7, 12.9], [0.0, 5.0, 5.0, 6.0, 6.0]])
    matrix = interpolation_matrix(rois, torch.Size((2, 1, 16, 18)), Sampling((3, 2), 1.0, 0, True))
    assert matrix.shape == (12, 2 * 16 * 18)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-6)
    for start, end in itertools.pairwise(matrix.indptr):
        pixels = matrix.indices[start:end]
        assert len(pixels) == len(set(pixels.tolist()))


@pytest.mark.parametrize("box", [[6.0, 6, 2, 2], [float("nan"), 0, 4, 4]], ids=["inverted", "not a number"])
def test_a_box_without_samples_gives_zero(box: list[float]) -> None:
    """A diverged detector proposes such boxes; torchvision's kernel reads or asks for memory out of range there."""
    rois, sampling = torch.tensor([[0, *box]]), Sampling((2, 2), 1.0, 0, True)
    assert not roi_align(torch.ones(1, 1, 8, 8), rois, sampling).any()
    assert not roi_align_gradient(torch.ones(1, 1, 2, 2), rois, torch.Size((1, 1, 8, 8)), sampling).any()


@pytest.mark.parametrize("image", [-1.0, 2.0])
def test_a_box_of_no_image_is_an_error(image: float) -> None:
    with pytest.raises(RuntimeError, match="Expected idx"):
        roi_align(torch.ones(2, 1, 8, 8), torch.tensor([[image, 1, 1, 5, 5]]), Sampling((2, 2), 1.0, 0, True))
