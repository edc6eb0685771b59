"""What a training step has to compute and to move at least, operation by operation, and how long each kind takes.

An operation cannot take less time than its multiplications and additions at the machine's peak, nor less than its
operands and results take to come from and go to memory. The latter counts each tensor once per operation, as if no
cache kept it for the next: where caches do, a step can be quicker than that sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

PRODUCTS, NORMS, OTHERS = "convolutions and products", "BatchNorm", "others"
_PRODUCTS = ("convolution", "conv", "addmm", "mm", "bmm", "baddbmm", "mkldnn_convolution", "linear", "matmul")


@dataclass
class Demand:
    """FLOPs, bytes, and seconds that cannot be undercut."""

    flops: int = 0
    bytes: int = 0
    floor: float = 0.0


@dataclass(frozen=True)
class Machine:
    """``flops`` per second of a large product in the step's precision, ``bandwidth`` in bytes per second."""

    flops: float
    bandwidth: float


@dataclass
class Count(TorchDispatchMode):
    """A mode that adds up what runs inside, by kind."""

    machine: Machine
    kinds: dict[str, Demand] = field(default_factory=lambda: defaultdict(Demand))

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        result = func(*args, **options)
        if not func.is_view:
            self._add(func, args, options, result)
        return result

    def _add(self, func: Any, args: tuple[Any, ...], options: Mapping[str, Any], result: Any) -> None:
        packet = func.overloadpacket
        flops = flop_registry[packet](*args, **options, out_val=result) if packet in flop_registry else 0
        moved = _bytes([args, options, result]) + _bytes(_written(func, args, options))
        kind = self.kinds[kind_of(func.name().partition("::")[2].partition(".")[0])]
        kind.flops += flops
        kind.bytes += moved
        kind.floor += max(flops / self.machine.flops, moved / self.machine.bandwidth)


def kind_of(name: str) -> str:
    """Of an operation by PyTorch's name without ``aten::``."""
    if "batch_norm" in name:
        return NORMS
    return PRODUCTS if name in _PRODUCTS or "convolution" in name else OTHERS


def seconds_by_kind(step: Callable[[], object], repeats: int) -> dict[str, float]:
    """Of one step, by PyTorch's profiler; what is between operations counts to none."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(repeats):
            step()
    found: dict[str, float] = defaultdict(float)
    for event in profiled.key_averages():
        if event.key.startswith("aten::"):
            found[kind_of(event.key.removeprefix("aten::"))] += event.self_cpu_time_total / 1e6 / repeats
    return dict(found)


def _written(func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> list[Any]:
    """Arguments that are changed in place: they are read, and written too."""
    written = []
    for number, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            written.append(args[number] if number < len(args) else options.get(argument.name))
    return written


def _bytes(values: Iterable[Any]) -> int:
    """Of each tensor once."""
    tensors = {id(leaf): leaf for leaf in tree_leaves(list(values)) if isinstance(leaf, Tensor)}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def measured_machine(precision: torch.dtype, clock: Callable[[Callable[[], object]], float], small: bool) -> Machine:
    """What this machine reaches: the best of some products, and a sum of arrays that no cache holds.

    Args:
        precision: Of the product.
        clock: Seconds that something takes.
        small: Only what takes no time.
    """
    rates = []
    for side in (128,) if small else (1024, 2048, 4096):
        left, right = (torch.randn(side, side).to(precision) for _ in range(2))
        rates.append(2 * side**3 / clock(lambda left=left, right=right: left @ right))  # type: ignore[misc]
    one, two = (torch.ones(1 << (18 if small else 26)) for _ in range(2))
    result = torch.empty_like(one)
    bandwidth = 3 * one.numel() * one.element_size() / clock(lambda: torch.add(one, two, out=result))
    return Machine(max(rates), bandwidth)
