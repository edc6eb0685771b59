"""The simple feature pyramid against the sizes that it states, and the first of its levels against plain sums."""

from __future__ import annotations

import torch
from pytest import mark

from transfer.openmmlab.modules.simple_feature_pyramid import SimpleFeaturePyramid


@mark.parametrize("stride", [8, 16, 32])
@mark.parametrize("num_outs", [4, 5])
def test_levels_have_strides_from_4_and_every_weight_trains(stride: int, num_outs: int) -> None:
    neck = SimpleFeaturePyramid(24, stride, out_channels=6, num_outs=num_outs)
    levels = neck([torch.randn(2, 24, 64 // stride, 128 // stride)])
    assert [tuple(each.shape) for each in levels] == [(2, 6, 64 // s, 128 // s) for s in (4, 8, 16, 32, 64)[:num_outs]]
    torch.stack([(level * torch.randn_like(level)).sum() for level in levels[:4]]).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in neck.parameters())


def test_levels_are_made_as_the_paper_says() -> None:
    """Stride 16: transposed convolutions once or twice, nothing, and a pooling; LayerNorm and GELU between the two."""
    kinds = [
        [type(step).__name__.replace("LayerNorm2d", "norm") for step in level]
        for level in SimpleFeaturePyramid(8, 16).levels
    ]
    convolutions = ["Conv2d", "norm", "Conv2d", "norm"]
    assert kinds == [
        ["ConvTranspose2d", "norm", "GELU", "ConvTranspose2d", *convolutions],
        ["ConvTranspose2d", *convolutions],
        convolutions,
        ["MaxPool2d", *convolutions],
    ]


def test_a_transposed_convolution_and_layer_norm_are_plain_sums() -> None:
    torch.manual_seed(0)
    neck = SimpleFeaturePyramid(4, 16, out_channels=3).double()
    grid = torch.randn(1, 4, 2, 3, dtype=torch.float64)
    (up, first, norm, _, _) = neck.levels[1]
    expected = torch.zeros(2, 4, 6, dtype=torch.float64)
    for row in range(4):
        for column in range(6):
            weights = up.weight[:, :, row % 2, column % 2]
            expected[:, row, column] = grid[0, :, row // 2, column // 2] @ weights + up.bias
    torch.testing.assert_close(up(grid)[0], expected)
    narrow = first(up(grid))
    mean, variance = narrow.mean(1, keepdim=True), narrow.var(1, unbiased=False, keepdim=True)
    torch.testing.assert_close(norm(narrow), (narrow - mean) / (variance + norm.eps).sqrt())
