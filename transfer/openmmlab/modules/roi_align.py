"""RoIAlign with average pooling (He et al., Mask R-CNN, 2017) and its gradient, fast on a CPU.

RoIAlign is linear in the feature map. Write the weights of its bilinear samples as one sparse matrix S, a row per
output bin and a column per feature pixel: the output is S F, with F the pixels x channels matrix, and the gradient
S^T G. torchvision's CPU kernel scatters the gradient sample by sample on one thread, which takes half of a detector's
training iteration.

A bin averages a grid of samples, and the bilinear weight of a pixel is a product over the two axes. So a row of S is
the outer product of two short rows, one per axis, and samples that share a pixel cost one entry of S.

S is built with numpy, which stays on one thread: it is a dozen short steps, and starting two threads for each costs far
more than it gains when data-loading workers keep the cores busy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn import functional


class Sampling(NamedTuple):
    """How boxes are sampled.

    Attributes:
        bins: Output rows and columns per box.
        spatial_scale: Feature pixels per image pixel.
        sampling_ratio: Samples per bin and axis; 0 takes one per feature pixel, rounded up.
        aligned: Pixel centres lie at half integers. If not, at integers, and boxes are at least one pixel wide.
    """

    bins: tuple[int, int]
    spatial_scale: float
    sampling_ratio: int
    aligned: bool


def roi_align(features: Tensor, rois: Tensor, sampling: Sampling) -> Tensor:
    """Average the bilinear samples in each bin of each box.

    Args:
        features: N x C x H x W on the CPU, float32 or float64. Fastest in channels_last, where nothing is copied.
        rois: R x 5, (index into N, x1, y1, x2, y2) in image pixels, of the same dtype.
        sampling: Where the samples lie.

    Returns:
        R x C x bins.
    """
    channels = features.shape[1]
    matrix = interpolation_matrix(rois, features.shape, sampling)
    pooled = multiply(matrix, features.permute(0, 2, 3, 1).reshape(-1, channels))
    return pooled.view(len(rois), *sampling.bins, channels).permute(0, 3, 1, 2)


def roi_align_gradient(grad_output: Tensor, rois: Tensor, shape: torch.Size, sampling: Sampling) -> Tensor:
    """Gradient of ``roi_align`` with respect to the features.

    Args:
        grad_output: R x C x bins.
        rois: As in ``roi_align``.
        shape: Of the features, N x C x H x W.
        sampling: As in ``roi_align``.

    Returns:
        N x C x H x W, contiguous.
    """
    batch, channels = shape[:2]
    matrix = transposed(interpolation_matrix(rois, shape, sampling))
    by_pixel = multiply(matrix, grad_output.permute(0, 2, 3, 1).reshape(-1, channels))
    gradient = grad_output.new_empty(shape)
    # Image by image: PyTorch transposes a matrix in blocks, and four dimensions several times slower.
    for image, pixels in zip(gradient, by_pixel.view(batch, -1, channels), strict=True):
        image.view(channels, -1).copy_(pixels.t())
    return gradient


def interpolation_matrix(rois: Tensor, shape: torch.Size, sampling: Sampling) -> csr_matrix:
    """The matrix S of all samples of some boxes.

    Args:
        rois: R x 5, as in ``roi_align``.
        shape: Of the features, N x C x H x W.
        sampling: Where the samples lie.

    Returns:
        A row per (box, bin row, bin column), a column per (image, pixel row, pixel column).
    """
    (rows, columns), count = sampling.bins, len(rois)
    batch, _, height, width = shape
    boxes = rois.detach().numpy()
    # In the order and precision of torchvision's kernel, so that both round to the same samples.
    corners = boxes[:, 1:] * boxes.dtype.type(sampling.spatial_scale) - boxes.dtype.type(0.5 * sampling.aligned)
    start, extent = corners[:, :2], corners[:, 2:] - corners[:, :2]
    if not sampling.aligned:
        extent = np.maximum(extent, 1)
    vertical = _axis_matrix(start[:, 1], extent[:, 1], rows, sampling.sampling_ratio, height)
    horizontal = _axis_matrix(start[:, 0], extent[:, 0], columns, sampling.sampling_ratio, width)
    first_pixel = boxes[:, 0].astype(np.int64) * (height * width)
    pixels, weights, offsets = _outer_rows(vertical, horizontal, count, first_pixel, width)
    return csr_matrix((weights, pixels, offsets), shape=(count * rows * columns, batch * height * width))


def _outer_rows(
    vertical: csr_matrix, horizontal: csr_matrix, boxes: int, first_pixel: NDArray, width: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Row (box, i, j) = outer product of rows (box, i) and (box, j): column indices, values and row offsets."""
    rows, columns = vertical.shape[0] // max(boxes, 1), horizontal.shape[0] // max(boxes, 1)
    bin_row = np.arange(boxes * rows).repeat(columns)
    bin_column = np.arange(boxes * columns).reshape(boxes, 1, columns).repeat(rows, axis=1).ravel()
    # Twice from rows to entries: over the pixel rows of each bin, then over the pixel columns of each of these.
    owner, entry = _entries(vertical, bin_row)
    line_start = first_pixel.repeat(rows * columns)[owner] + vertical.indices[entry] * width
    line_weight = vertical.data[entry]
    lengths = np.diff(vertical.indptr)[bin_row] * np.diff(horizontal.indptr)[bin_column]
    owner, entry = _entries(horizontal, bin_column[owner])
    pixels = line_start[owner] + horizontal.indices[entry]
    return pixels, line_weight[owner] * horizontal.data[entry], np.concatenate([[0], lengths.cumsum()])


def _axis_matrix(start: NDArray, extent: NDArray, bins: int, sampling_ratio: int, size: int) -> csr_matrix:
    """Along one axis: a row per (box, bin), a column per pixel; the average over the samples of a bin."""
    bin_size = (extent / bins)[:, None, None]
    samples = np.ceil(bin_size) if sampling_ratio <= 0 else np.full_like(bin_size, sampling_ratio)
    samples = np.fmax(samples, 0)  # a box that is inverted, or not a number, has none
    sample = np.arange(samples.max(initial=0), dtype=start.dtype)
    bin_start = start[:, None, None] + np.arange(bins, dtype=start.dtype)[:, None] * bin_size
    position = bin_start + (sample + start.dtype.type(0.5)) * bin_size / np.maximum(samples, 1)
    # A sample that is further out than one pixel counts as zero; up to there, the border pixel is continued.
    box, bin_index, order = ((position >= -1) & (position <= size) & (sample < samples)).nonzero()
    position = position[box, bin_index, order].clip(0, size - 1)
    weight = 1 / samples[box, 0, 0]
    low = np.floor(position)
    fraction, low_pixel = position - low, low.astype(np.int64)
    row = box * bins + bin_index
    # Duplicates, which are samples that share a pixel, are summed.
    return csr_matrix(
        (
            np.concatenate([(1 - fraction) * weight, fraction * weight]),
            (np.concatenate([row, row]), np.concatenate([low_pixel, np.minimum(low_pixel + 1, size - 1)])),
        ),
        shape=(len(start) * bins, size),
    )


def _entries(matrix: csr_matrix, rows: NDArray) -> tuple[NDArray, NDArray]:
    """All entries of the given rows, row after row: (position in ``rows``, index into the matrix's entries)."""
    starts, lengths = matrix.indptr[rows], np.diff(matrix.indptr)[rows]
    owner = np.arange(len(rows)).repeat(lengths)
    shift = starts - (lengths.cumsum() - lengths)
    return owner, np.arange(len(owner)) + shift[owner]


def transposed(matrix: csr_matrix) -> csr_matrix:
    """S^T, by rows as S is."""
    by_column = matrix.tocsc()
    return csr_matrix((by_column.data, by_column.indices, by_column.indptr), shape=matrix.shape[::-1])


def multiply(matrix: csr_matrix, dense: Tensor) -> Tensor:
    """Sparse times dense. embedding_bag sums weighted rows, and does it faster than PyTorch's sparse product."""
    return functional.embedding_bag(
        torch.from_numpy(matrix.indices),
        dense,
        torch.from_numpy(matrix.indptr),
        mode="sum",
        per_sample_weights=torch.from_numpy(matrix.data),
        include_last_offset=True,
    )
