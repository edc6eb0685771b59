"""A map laid on a grid of another stride, bilinearly: of patches of 14 pixels, say, on one of 16."""

from __future__ import annotations

import torch
from torch import Tensor


def lay_on_grid(grid: Tensor, stride: int, wanted: int, height: int, width: int) -> Tensor:
    """The values of a map at the centres of the cells of another one.

    As two products with matrices: their gradients are the same in every run, unlike those of PyTorch's own resampling
    on a GPU.

    Args:
        grid: (N, channels, rows, columns), aligned with the image at its first pixel.
        stride: Of the map, in pixels.
        wanted: Stride of the result.
        height: Of the image, in pixels.
        width: Of the image.

    Returns:
        (N, channels, ceil(height / wanted), ceil(width / wanted)), in the map's number format.
    """
    if stride == wanted:
        return grid
    rows, columns = (
        _weights(cells, stride, wanted, -(-pixels // wanted), grid.device)
        for cells, pixels in zip(grid.shape[2:], (height, width), strict=True)
    )
    return torch.einsum("ri,ncij,sj->ncrs", rows.to(grid.dtype), grid, columns.to(grid.dtype))


def _weights(cells: int, stride: int, wanted: int, count: int, device: torch.device) -> Tensor:
    """Row i holds what each of the map's cells adds to cell i; beyond the outermost centres the map is continued."""
    centres = (torch.arange(count, device=device) + 0.5) * (wanted / stride) - 0.5
    distances = (centres.clamp(0, cells - 1)[:, None] - torch.arange(cells, device=device)).abs()
    return (1 - distances).clamp(min=0)
