"""How near a classifier's training step comes to what the machine can do: its arithmetic by the machine's peak, and the
time that no step can undercut by the time that it takes. Images are in memory already; ours, in channels_last and the
machine's fastest format, on all processors.

The peak is the best of products of square matrices in the same format, the bandwidth that of a sum of arrays which no
cache holds, both measured in the same run. Convolutions and products cannot take less than their arithmetic at the
peak, nor anything less than its operands and results take to and from memory; "floor" is that, added up over the
operations of forward pass, backward pass and update, each tensor counted once per operation. What caches keep between
operations can undercut it, so a share near 1 says that nothing is left, and not that nothing could be gained by fusing.
Times of kinds are PyTorch's profiler's, which costs some time itself; in a second table, the largest of the gaps is
what could be gained at most.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure

from backbones.machine.precision import resolve_precision
from backbones.models import create_classifier
from backbones.profiling.cost import TrainingStep
from backbones.reporting.drawing import GRAY
from backbones.tricks.low_precision import DTYPES
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from benchmarks.subjects.operations import NORMS, OTHERS, PRODUCTS, Count, Machine, measured_machine, seconds_by_kind

TITLE = "Share of the machine's limit, training a classifier"
QUICK = False
CPU = torch.device("cpu")
CLASSES = 100
MACHINE = "this machine"
PEAK, BANDWIDTH = "peak, GFLOP/s", "bandwidth, GB/s"
RATE, SHARE, NEAR, INTENSITY, DONE = "images/s", "share of the peak", "floor / time", "FLOP per byte", "GFLOP/s"


@dataclass(frozen=True)
class Setting:
    """A network, side in pixels, batch in images."""

    network: str
    side: int
    batch: int

    @property
    def title(self) -> str:
        """For a table."""
        return f"{self.network}, {self.side} px, batch {self.batch}"


SETTINGS = (
    *(Setting("resnet18_d", 64, 64), Setting("resnet18_d", 224, 32)),
    *(Setting("resnet50_d", 64, 32), Setting("resnet50_d", 224, 8)),
)
BRIEF = (Setting("mobilenet_v1_025", 32, 4),)


def measure(settings: Settings) -> Findings:
    """Setting by setting."""
    precision = resolve_precision("auto", CPU)
    rounds = settings.amount(settings.rounds, 1)
    machine = measured_machine(DTYPES[precision], lambda work: _seconds(work, rounds), settings.quick)
    figures = {MACHINE: {PEAK: machine.flops / 1e9, BANDWIDTH: machine.bandwidth / 1e9}}
    for setting in BRIEF if settings.quick else SETTINGS:
        figures |= _lines(setting, precision, machine, rounds)
    return Findings(figures=figures)


def _lines(setting: Setting, precision: str, machine: Machine, rounds: int) -> dict[str, dict[str, float]]:
    """A line for the step, and one for each kind of its operations."""
    torch.manual_seed(0)
    model = create_classifier(setting.network, CLASSES).train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    images = torch.randn(setting.batch, 3, setting.side, setting.side).contiguous(memory_format=torch.channels_last)
    step = TrainingStep(model, images, torch.arange(setting.batch) % CLASSES, precision)
    seconds = _seconds(step, rounds)
    with Count(machine) as count:
        step()
    kinds, times = count.kinds, seconds_by_kind(step, rounds)
    flops, floor = (sum(getattr(kind, name) for kind in kinds.values()) for name in ("flops", "floor"))
    moved = sum(kind.bytes for kind in kinds.values())
    whole = {RATE: setting.batch / seconds, DONE: flops / seconds / 1e9, SHARE: flops / seconds / machine.flops}
    lines = {setting.title: {**whole, "ms": 1000 * seconds, "floor, ms": 1000 * floor, NEAR: floor / seconds}}
    lines[setting.title][INTENSITY] = flops / moved
    for name in (PRODUCTS, NORMS, OTHERS):
        took, least = times.get(name, 0.0), kinds[name].floor
        lines[f"- {name} ({setting.title})"] = {
            "ms": 1000 * took,
            "floor, ms": 1000 * least,
            NEAR: least / took if took else 0.0,
            "gap, ms": 1000 * (took - least),
        }
    return lines


def _seconds(work: Callable[[], object], rounds: int) -> float:
    """The median of some rounds, after one for warming up."""
    times = []
    for _ in range(1 + rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def draw(found: Findings) -> Figure:
    """The roof, and the steps below it."""
    machine = found.figures[MACHINE]
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    points = {name: line for name, line in found.figures.items() if INTENSITY in line}
    ridge = machine[PEAK] / machine[BANDWIDTH]
    ends = [min(1.0, *(line[INTENSITY] for line in points.values())), 10 * ridge]
    roof = [ends[0], ridge, ends[1]]
    axes.plot(roof, [min(machine[PEAK], each * machine[BANDWIDTH]) for each in roof], color=GRAY)
    for name, line in points.items():
        axes.plot([line[INTENSITY]], [line[DONE]], marker="o", linestyle="", label=name)
    axes.set(xscale="log", yscale="log", xlabel="FLOP per byte moved", ylabel="GFLOP/s")
    axes.legend(frameon=False)
    return figure
