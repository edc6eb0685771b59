"""A map on a grid of another stride, against PyTorch's own resampling at the same places."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import grid_sample

from backbones.models.resampling import lay_on_grid


def sampled(grid: Tensor, stride: int, wanted: int, height: int, width: int) -> Tensor:
    """The same by ``grid_sample``, whose coordinates run from -1 to 1 over the map's extent."""
    places = [
        (torch.arange(-(-pixels // wanted), dtype=grid.dtype) + 0.5) * wanted / (stride * cells) * 2 - 1
        for cells, pixels in zip(grid.shape[2:], (height, width), strict=True)
    ]
    rows, columns = torch.meshgrid(*places, indexing="ij")
    where = torch.stack([columns, rows], -1).expand(len(grid), -1, -1, -1)
    return grid_sample(grid, where, mode="bilinear", padding_mode="border", align_corners=False)


@given(
    stride=st.integers(7, 40),
    wanted=st.sampled_from([8, 16, 32]),
    height=st.integers(20, 150),
    width=st.integers(20, 150),
)
def test_values_and_gradients_are_those_of_grid_sample(stride: int, wanted: int, height: int, width: int) -> None:
    cells = -(-height // stride), -(-width // stride)
    grid = torch.randn(2, 3, *cells, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    ours, theirs = lay_on_grid(grid, stride, wanted, height, width), sampled(grid, stride, wanted, height, width)
    assert ours.shape == (2, 3, -(-height // wanted), -(-width // wanted))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)  # weights are float32
    mixture = torch.randn(ours.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        *(torch.autograd.grad((each * mixture).sum(), grid)[0] for each in (ours, theirs)), rtol=1e-5, atol=1e-5
    )


def test_what_lies_in_the_image_stays_where_it_is() -> None:
    """A map that holds the column of its cells' centres, in pixels."""
    centres = (torch.arange(23) + 0.5) * 14
    found = lay_on_grid(centres.expand(1, 1, 19, 23), 14, 16, 256, 320)
    torch.testing.assert_close(found, ((torch.arange(20) + 0.5) * 16).expand(1, 1, 16, 20))


def test_the_same_stride_is_the_same_map() -> None:
    grid = torch.randn(1, 1, 2, 2)
    assert lay_on_grid(grid, 16, 16, 32, 32) is grid
