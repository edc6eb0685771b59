"""Training steps on images that are on the GPU already: the rate that no loading can exceed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from backbones.machine.precision import resolve_precision, tuned_convolutions
from backbones.models import create_classifier
from backbones.profiling.cost import TrainingStep, count_flops
from backbones.profiling.stopwatch import Stopwatch
from backbones.tricks.low_precision import DTYPES
from benchmarks.gpu.peaks import PEAKS, stated_bandwidth, stated_flops
from benchmarks.gpu.step import Figures, Found, Place

CLASSES, PASSES, ROUNDS = 1000, 3, 5  # the backward pass computes two products for each one of the forward pass
MEMORY = "peak memory, GiB"
RATE, SHARE = "images/s", "share of the data sheet's peak"


class Timed(NamedTuple):
    """A training step: its precision, what makes it ready, and its FLOPs for one image."""

    precision: str
    make: Callable[[], Callable[[], object]]
    flops: float


Steps = dict[str, Timed]  # by line of the table


def peak(place: Place) -> Found:
    """Matrix products in each precision, and a copy within the memory."""
    figures: Figures = {}
    for precision in _precisions(place):
        figures[f"product, {precision}"] = _beside(
            "TFLOP/s", matrix_peak(place, precision) / 1e12, stated_flops(_name(place), precision), 1e12
        )
    figures["copy"] = _beside("GB/s", copy_bandwidth(place) / 1e9, stated_bandwidth(_name(place)), 1e9)
    known = PEAKS.get(_name(place))
    return Found(figures, (known.source if known else "no data sheet of this card is in benchmarks/gpu/peaks.py",))


def ours(place: Place) -> Found:
    """In all precisions that the card computes in."""
    side, batch = _size(place)
    flops = _flops(create_classifier(_ours(place), CLASSES), side)
    steps = {
        f"ours, D, {precision}": Timed(precision, partial(_our_step, place, precision, side, batch), flops)
        for precision in _precisions(place)
    }
    return _measured(place, steps, side, batch)


def peers(place: Place) -> Found:
    """Tuned as they can be, and as their examples have it: float32, NCHW."""
    side, batch = _size(place)
    models: dict[str, Callable[[], nn.Module]] = {
        "torchvision": partial(_torchvision, place),
        "timm, D": partial(_timm, place),
    }
    steps: Steps = {}
    for name, make in models.items():
        flops = _flops(make(), side)
        for precision in (_precisions(place)[0], "fp32"):
            words = f"{name}, {precision}, {'NCHW' if precision == 'fp32' else 'channels_last'}"
            steps[words] = Timed(precision, partial(_plain_step, place, make, precision, side, batch), flops)
    return _measured(place, steps, side, batch)


def compiled(place: Place) -> Found:
    """Ours, in the fastest precision; fails where PyTorch cannot compile."""
    side, batch = _size(place)
    precision = _precisions(place)[0]
    flops = _flops(create_classifier(_ours(place), CLASSES), side)
    modes = {"as it is": None, "compiled": "default", "compiled, CUDA graphs": "reduce-overhead"}
    steps = {
        words: Timed(precision, partial(_our_step, place, precision, side, batch, mode), flops)
        for words, mode in modes.items()
    }
    return _measured(place, steps, side, batch)


def _flops(model: nn.Module, side: int) -> float:
    return PASSES * count_flops(model.eval(), torch.empty(1, 3, side, side))


def _measured(place: Place, steps: Steps, side: int, batch: int) -> Found:
    """One after the other, so that each has the memory to itself."""
    figures: Figures = {}
    with tuned_convolutions():
        for name, step in steps.items():
            line = _rate(place, step.make, batch)
            figures[name] = {**line, **_arithmetic(place, step.precision, step.flops * line[RATE])}
    return Found(figures, (f"batch {batch}, {side} px, {CLASSES} classes; the median of {ROUNDS} samples",))


def _rate(place: Place, make: Callable[[], Callable[[], object]], batch: int) -> dict[str, float]:
    cuda = place.device == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(place.device)
    started = time.perf_counter()
    step = make()
    step()
    _wait(place)
    first = time.perf_counter() - started
    watch = Stopwatch(step, batch, torch.device(place.device))
    for _ in range(place.amount(ROUNDS, 1)):
        watch.sample()
    found = {RATE: watch.speed.median, "first step, s": first}
    return {**found, MEMORY: torch.cuda.max_memory_allocated(place.device) / 2**30} if cuda else found


def _arithmetic(place: Place, precision: str, flops: float) -> dict[str, float]:
    stated = stated_flops(_name(place), precision)
    return {"TFLOP/s": flops / 1e12, **({SHARE: flops / stated} if stated else {})}


def _our_step(
    place: Place, precision: str, side: int, batch: int, compile_mode: str | None = None
) -> Callable[[], object]:
    model: Any = create_classifier(_ours(place), CLASSES).train()
    model.to(place.device, memory_format=torch.channels_last)
    images, labels = _batch(place, side, batch, channels_last=True)
    step = TrainingStep(model, images, labels, precision)
    if compile_mode:
        compiled_model: Any = torch.compile(model, mode=compile_mode)
        step.model = compiled_model
    return step


def _plain_step(
    place: Place, make: Callable[[], nn.Module], precision: str, side: int, batch: int
) -> Callable[[], object]:
    """As in a tutorial; in 16 bits with channels_last."""
    low, model = precision != "fp32", make()
    mover: Any = model.train()
    mover.to(place.device, memory_format=torch.channels_last if low else torch.contiguous_format)
    images, labels = _batch(place, side, batch, channels_last=low)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9, weight_decay=1e-4)
    scaler = torch.amp.GradScaler(place.device, enabled=precision == "fp16")

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(place.device, DTYPES[precision], enabled=low):
            loss = functional.cross_entropy(model(images), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return step


def matrix_peak(place: Place, precision: str) -> float:
    """FLOP/s of the best of some products of square matrices."""
    best = 0.0
    for side in place.amount(1, 0) * (4096, 8192, 16384) or (64,):
        left, right = (torch.randn(side, side, device=place.device, dtype=DTYPES[precision]) for _ in range(2))
        best = max(best, 2 * side**3 / _seconds(place, partial(torch.matmul, left, right)))
    return best


def copy_bandwidth(place: Place) -> float:
    """Bytes per second, read and written, of a copy of a GiB within the device's memory."""
    source = torch.empty(place.amount(2**30, 2**20), dtype=torch.uint8, device=place.device)
    target = torch.empty_like(source)
    return 2 * source.numel() / _seconds(place, lambda: target.copy_(source))


def _seconds(place: Place, work: Callable[[], object], repeats: int = 10) -> float:
    """The median of three times the mean of some repeats."""
    times = []
    for _ in range(4):
        _wait(place)
        started = time.perf_counter()
        for _ in range(repeats):
            work()
        _wait(place)
        times.append((time.perf_counter() - started) / repeats)
    return statistics.median(times[1:])


def _batch(place: Place, side: int, batch: int, channels_last: bool) -> tuple[Tensor, Tensor]:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images = torch.randn(batch, 3, side, side, device=place.device).contiguous(memory_format=layout)
    return images, torch.arange(batch, device=place.device) % CLASSES


def _precisions(place: Place) -> list[str]:
    """The fastest first, as the program chooses it; then fp16, which pre-Ampere cards have, and float32."""
    fastest = resolve_precision("auto", torch.device(place.device))
    return list(dict.fromkeys([fastest, *(["fp16"] if place.device == "cuda" else []), "fp32"]))


def _beside(unit: str, measured: float, stated: float | None, per: float) -> dict[str, float]:
    found = {unit: measured}
    return {**found, "by the data sheet": stated / per, "share": measured * per / stated} if stated else found


def _name(place: Place) -> str:
    return torch.cuda.get_device_name(place.device) if place.device == "cuda" else "CPU"


def _size(place: Place) -> tuple[int, int]:
    """Side of the images in pixels, and the batch: what fits into 16 GiB in float32."""
    return place.amount(224, 32), place.amount(128, 2)


def _ours(place: Place) -> str:
    return "mobilenet_v1_025" if place.tiny else "resnet50_d"


def _torchvision(place: Place) -> nn.Module:
    from torchvision.models import get_model

    return get_model("resnet18" if place.tiny else "resnet50", weights=None, num_classes=CLASSES)


def _timm(place: Place) -> nn.Module:
    from timm import create_model

    return create_model("resnet18d" if place.tiny else "resnet50d", num_classes=CLASSES)


def _wait(place: Place) -> None:
    if place.device == "cuda":
        torch.cuda.synchronize()
