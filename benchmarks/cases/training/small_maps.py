"""A convolution's training, forward and backward, where a batch has few output positions: as the matrix product of
`backbones/models/convolution.py`, and as PyTorch's own, which is oneDNN's. The shapes are those of ResNets at 64 and
224 px, in channels_last and 16 bits (where the machine has them), with one thread; positions are those of all images
together. The last shape has more of them than the product is used for: there PyTorch's own is computed twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from backbones.machine.precision import resolve_precision
from backbones.models.convolution import Convolution, no_products
from backbones.tricks.low_precision import autocast
from benchmarks.harness.findings import Findings, SideBySide, compare
from benchmarks.harness.interleaved import take_turns
from benchmarks.harness.settings import Settings

TITLE = "Convolutions of small maps, trained"
QUICK = True
OWN, OURS = "PyTorch's own", "ours"
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Shape:
    """Images, channels in and out, side of the square map, side of the kernel."""

    images: int
    inputs: int
    outputs: int
    side: int
    kernel: int

    def __str__(self) -> str:
        kernel = f"{self.kernel} x {self.kernel}, {self.inputs:,} to {self.outputs:,} channels"
        return f"{kernel}, {self.images} x {self.side} x {self.side} = {self.images * self.side**2:,} positions"


SHAPES = (
    Shape(64, 512, 512, 2, 3),
    Shape(32, 512, 2048, 2, 1),
    Shape(32, 1024, 256, 4, 1),
    Shape(8, 512, 512, 7, 3),
    Shape(64, 128, 128, 8, 3),
)


def measure(settings: Settings) -> Findings:
    """Each shape by itself."""
    torch.set_num_threads(1)
    return Findings(tuple(_measure(shape, settings) for shape in SHAPES))


def _measure(shape: Shape, settings: Settings) -> SideBySide:
    torch.manual_seed(0)
    layer = Convolution(shape.inputs, shape.outputs, shape.kernel, padding=shape.kernel // 2, bias=False)
    layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    precision = resolve_precision("auto", CPU)
    maps = torch.randn(shape.images, shape.inputs, shape.side, shape.side)
    maps = maps.to(torch.bfloat16 if precision == "bf16" else torch.float32, memory_format=torch.channels_last)
    maps.requires_grad_()
    gradient = torch.randn_like(layer(maps.float()))
    times = settings.amount(10, 3)

    def train() -> None:
        for _ in range(times):
            layer.weight.grad = maps.grad = None
            with autocast(precision, CPU):
                output = layer(maps)
            output.backward(gradient.to(output.dtype))

    def train_without() -> None:
        with no_products():
            train()

    return compare(str(shape), "1/s", times, take_turns({OWN: train_without, OURS: train}, settings.rounds))
