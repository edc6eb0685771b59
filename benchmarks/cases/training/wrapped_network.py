"""What it costs that a network is timm's: a training step, forward and backward, of this project's ResNet-50-D and of
`timm:resnet50d`, as `tools/train_cls.py` computes it and as timm's modules do by themselves. One thread, bf16 where the
machine has it, channels_last, images that lie in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from backbones.machine.precision import resolve_precision
from backbones.models import create_classifier
from backbones.models.convolution import adopt_convolutions
from backbones.models.depthwise import quicken_depthwise
from backbones.tricks.low_precision import autocast
from benchmarks.harness.findings import Aim, Findings, SideBySide, compare
from benchmarks.harness.interleaved import take_turns
from benchmarks.harness.settings import Settings

TITLE = "A network of timm in this program"
QUICK = True
OWN, WRAPPED, PLAIN = "resnet50_d", "timm:resnet50d", "timm's modules alone"
LEAST = 0.97  # of the speed of one's own
CPU = torch.device("cpu")


def measure(settings: Settings) -> Findings:
    """At two sizes of images."""
    torch.set_num_threads(1)
    sizes = [(64, 16)] if settings.quick else [(64, 32), (224, 8)]
    return Findings(tuple(_compare(size, batch, settings) for size, batch in sizes))


def _compare(size: int, batch: int, settings: Settings) -> SideBySide:
    networks = {OWN: _trained(OWN), WRAPPED: _trained(WRAPPED), PLAIN: create_classifier(WRAPPED, 1000)}
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    contenders = {name: _step(network, images) for name, network in networks.items()}
    title = f"{size} px, batch {batch}"
    return compare(title, "images/s", batch, take_turns(contenders, settings.rounds), (Aim(WRAPPED, OWN, LEAST),))


def _trained(name: str) -> nn.Module:
    network = create_classifier(name, 1000)
    adopt_convolutions(network)
    quicken_depthwise(network)
    return network


def _step(network: nn.Module, images: torch.Tensor) -> Callable[[], None]:
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    precision = resolve_precision("auto", CPU)

    def step() -> None:
        network.zero_grad()
        with autocast(precision, CPU):
            output = network(images)
        output.float().sum().backward()

    return step
