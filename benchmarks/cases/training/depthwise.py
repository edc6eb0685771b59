"""A depthwise convolution's training, forward and backward, in bf16 with one thread: with the float32 gradients of
`backbones/models/depthwise.py`, and with PyTorch's own, which are oneDNN's. The shapes are EfficientNet-Lite0's for
eight images of 320 x 240 pixels, in channels_last; the second is one that is left to PyTorch. The last lines train
whole networks of that kind.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backbones.models import create_classifier
from backbones.models.depthwise import quicken_depthwise
from backbones.tricks.low_precision import autocast
from benchmarks.harness.findings import Findings, SideBySide, compare
from benchmarks.harness.interleaved import take_turns
from benchmarks.harness.settings import Settings

TITLE = "Depthwise convolutions, trained in bf16"
QUICK = True
OWN, OURS = "PyTorch's own", "ours"
CPU = torch.device("cpu")
NETWORKS = ("mobilenet_v1", "timm:tf_efficientnet_lite0", "timm:mobilenetv3_large_100", "timm:convnext_atto")


@dataclass(frozen=True)
class Shape:
    """Channels, height and width of the maps, side of the kernel, stride."""

    channels: int
    height: int
    width: int
    kernel: int
    stride: int

    def __str__(self) -> str:
        size = f"{self.height} x {self.width}"
        return f"{self.kernel} x {self.kernel}, stride {self.stride}, {self.channels:,} channels, 8 x {size}"


SHAPES = (Shape(96, 120, 160, 3, 2), Shape(144, 60, 80, 3, 1), Shape(144, 60, 80, 5, 2), Shape(240, 30, 40, 5, 1))


def measure(settings: Settings) -> Findings:
    """Each shape by itself, then networks."""
    torch.set_num_threads(1)
    networks = NETWORKS[:1] if settings.quick else NETWORKS
    return Findings((*(_layer(each, settings) for each in SHAPES), *(_network(each, settings) for each in networks)))


def _layer(shape: Shape, settings: Settings) -> SideBySide:
    torch.manual_seed(0)
    layer = nn.Conv2d(
        shape.channels, shape.channels, shape.kernel, shape.stride, shape.kernel // 2, groups=shape.channels, bias=False
    )
    maps = torch.randn(8, shape.channels, shape.height, shape.width)
    return _compare(str(shape), layer, maps.bfloat16(), settings.amount(3, 1), settings)


def _network(name: str, settings: Settings) -> SideBySide:
    torch.manual_seed(0)
    side = settings.amount(224, 64)
    return _compare(
        f"{name}, 8 x {side} x {side}", create_classifier(name, 10), torch.randn(8, 3, side, side), 1, settings
    )


def _compare(name: str, model: nn.Module, images: Tensor, times: int, settings: Settings) -> SideBySide:
    plain = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    images = images.contiguous(memory_format=torch.channels_last).requires_grad_(images.dtype == torch.bfloat16)
    quick = deepcopy(plain)
    quicken_depthwise(quick)
    contenders = {OWN: _training(plain, images, times), OURS: _training(quick, images, times)}
    return compare(name, "1/s", times, take_turns(contenders, settings.rounds))


def _training(model: nn.Module, images: Tensor, times: int) -> Callable[[], None]:
    def train() -> None:
        for _ in range(times):
            model.zero_grad()
            images.grad = None
            with autocast("bf16", CPU):
                output = model(images)
            output.backward(torch.ones_like(output))

    return train
