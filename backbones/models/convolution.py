"""Convolutions of few positions and many weights, as matrix products.

At 64 px a ResNet's last stage is 2 x 2 positions wide and holds most of the weights. oneDNN's gradient of such weights
takes several times as long as the same sums as one matrix product (measured in ``docs/performance.md``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Conv2d):
    """``nn.Conv2d``: same tensors, same function; a CPU trains it faster where the maps are small.

    The padding is in numbers, and images come in batches.

    In evaluation mode it is ``nn.Conv2d`` in every case: what is evaluated, and what is compared with other programs,
    is computed as they do.

    ``few_positions`` is how many positions the output may have, in all images together, for the product to be the
    faster one. Above, copying each input value once for every place of the kernel that reads it costs more than it
    saves.
    """

    few_positions: ClassVar[int] = 512
    padding: tuple[int, int]  # never by name

    def forward(self, images: Tensor) -> Tensor:
        """Maps (n, in_channels, height, width) to (n, out_channels, height', width')."""
        return self._product(images) if self._pays(images) else super().forward(images)

    def _pays(self, images: Tensor) -> bool:
        """Whether the product is exact and faster: the weights are one matrix in memory, and positions few."""
        if images.device.type != "cpu" or self.groups != 1 or self.padding_mode != "zeros":
            return False
        if not self.training or not self.weight.is_contiguous(memory_format=torch.channels_last):
            return False
        height, width = self._extent(images)
        return min(height, width) > 0 and len(images) * height * width <= self.few_positions

    def _extent(self, images: Tensor) -> tuple[int, int]:
        """Height and width of the output."""
        height, width = (
            (images.shape[2 + axis] + 2 * self.padding[axis] - self.dilation[axis] * (self.kernel_size[axis] - 1) - 1)
            // self.stride[axis]
            + 1
            for axis in (0, 1)
        )
        return height, width

    def _product(self, images: Tensor) -> Tensor:
        """Each output position is a row: all that the kernel sees there, times all kernels."""
        positions = images.permute(0, 2, 3, 1)
        if any(self.padding):
            above, left = self.padding
            positions = functional.pad(positions, (0, 0, left, left, above, above))
        down, across = (
            [slice(start, start + (size - 1) * stride + 1, stride) for start in range(0, kernel * dilation, dilation)]
            for size, kernel, stride, dilation in zip(
                self._extent(images), self.kernel_size, self.stride, self.dilation, strict=True
            )
        )
        seen = [positions[:, row, column] for row in down for column in across]
        kernels = self.weight.permute(0, 2, 3, 1).flatten(1)  # a view
        rows = seen[0] if len(seen) == 1 else torch.cat(seen, dim=-1)
        return functional.linear(rows, kernels, self.bias).permute(0, 3, 1, 2)


def adopt_convolutions(model: nn.Module) -> int:
    """Have the plain convolutions of a network of others (``timm:NAME``) compute so, too; returns how many there are.

    Their class is exchanged: tensors, names and whatever refers to them stay. Left alone are subclasses of ``Conv2d``,
    and padding other than by zeros in numbers.
    """
    plain = [
        module
        for module in model.modules()
        if type(module) is nn.Conv2d and not isinstance(module.padding, str) and module.padding_mode == "zeros"
    ]
    for module in plain:
        module.__class__ = Convolution
    return len(plain)


@contextmanager
def no_products() -> Iterator[None]:
    """Inside, convolutions are computed as for large batches, whatever the batch."""
    before, Convolution.few_positions = Convolution.few_positions, 0
    try:
        yield
    finally:
        Convolution.few_positions = before
