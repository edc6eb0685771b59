"""Tensors that only claim to be on a GPU, and a count of what would make a program wait for it.

PyTorch's ``FakeTensorMode`` computes shapes, dtypes and devices without numbers, and refuses what mixes devices as a
GPU would; a convolution's weights it does not look at, so that is done here. Where the shape of a result, or a branch,
depends on numbers, it stops (``nonzero``, ``unique``, ``bincount``, a choice by a mask, ``item``, non-maximum
suppression). There ``FakeCuda`` answers: every element of a mask is true, every number is 1, suppression keeps all.
Each answer is what a real GPU has to be waited for, as is a copy that does not say ``non_blocking``, so it is counted,
with the line that asked.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CUDA = torch.device("cuda", 0)
ROOT = Path(__file__).resolve().parents[1]
OUR_FOLDERS = ("backbones", "transfer")
_TORCH = str(Path(torch.__file__).parent)
_NUMBERS = {"float": 1.0, "bool": True, "int": 1}


class FakeCuda:
    """A context: new tensors are fake, those of a GPU are refused beside a CPU's.

    ``waits`` counts, by (what, line of code), each wait for the device since the context was entered.
    """

    def __init__(self) -> None:
        self.waits: Counter[tuple[str, str]] = Counter()
        self._stack = ExitStack()

    def __enter__(self) -> FakeCuda:
        self._stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        self._stack.enter_context(_Answers(self.waits))
        # PyTorch's copies the mode that a fake tensor belongs to as well, and corrupts memory.
        self._stack.enter_context(patch.object(FakeTensor, "__deepcopy__", _copy))
        # Without a GPU autocast would switch itself off.
        self._stack.enter_context(patch("torch.cuda.amp.common.amp_definitely_not_available", lambda: False))
        self._stack.enter_context(patch("torch.cuda.is_bf16_supported", lambda *_, **__: True))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def ours(self) -> dict[tuple[str, str], int]:
        """The waits that a line of this project asks for itself."""
        return {place: count for place, count in self.waits.items() if place[1].split("/")[0] in OUR_FOLDERS}

    @property
    def total(self) -> int:
        """All waits."""
        return self.waits.total()


def _copy(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    copied = memo[id(tensor)] = tensor.detach().clone()
    return copied


class _Answers(TorchDispatchMode):
    """What ``FakeTensorMode`` cannot answer, and the count."""

    def __init__(self, waits: Counter[tuple[str, str]]) -> None:
        super().__init__()
        self._waits = waits

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        name = func.name().partition(".")[0]
        if name in ("aten::_to_copy", "aten::copy_"):
            self._count_copy(name, args, options)
        elif name == "aten::convolution":
            _check_together(args)
        elif answer := _ANSWERS.get(name):
            return answer(self._count, func, args, options)
        return func(*args, **options)

    def _count(self, what: str) -> None:
        self._waits[what, _asking_line()] += 1

    def _count_copy(self, name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        if name == "aten::copy_":
            target, source = args[0].device, args[1].device
            at_once = args[2] if len(args) > 2 else options.get("non_blocking", False)
        else:
            source = args[0].device
            target = torch.device(options.get("device") or source)
            at_once = options.get("non_blocking", False)
        if source.type == "cuda" and target.type == "cpu":
            self._count("copy from the device")  # at once or not, its numbers have to be waited for
        elif source.type == "cpu" and target.type == "cuda" and not at_once:
            self._count("copy to the device")


def _check_together(args: Sequence[Any]) -> None:
    """PyTorch's fake convolution takes the device of the images without a look at that of the weights."""
    devices = {argument.device for argument in args if isinstance(argument, Tensor)}
    if len(devices) > 1:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {sorted(map(str, devices))}")


Count = Callable[[str], None]


def _number(count: Count, func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    (tensor,) = args
    if tensor.device.type == "cuda":
        count("number")
    dtype = tensor.dtype
    return _NUMBERS["float" if dtype.is_floating_point else "bool" if dtype is torch.bool else "int"]


def _places(count: Count, func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Tensor:
    (tensor,) = args
    if tensor.device.type == "cuda":
        count("nonzero")
    return tensor.new_zeros((tensor.numel(), tensor.ndim), dtype=torch.int64)


def _same(count: Count, func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> bool:
    if args[0].device.type == "cuda":
        count("equal")
    return True


def _chosen(count: Count, func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Tensor:
    tensor, indices = args
    if tensor.device.type == "cuda":
        if _has_mask(indices):
            count("choice by a mask")
        elif any(index is not None and index.device.type == "cpu" for index in indices):
            count("copy to the device")  # of the indices
    return func(tensor, _without_masks(indices), **options)


def _replaced(count: Count, func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Tensor:
    tensor, indices, values, *rest = args
    if values.numel() == 1 and _has_mask(indices):
        return tensor.masked_fill_(indices[0], 1) if func.name().startswith("aten::index_put_") else tensor.clone()
    if tensor.device.type == "cuda" and _has_mask(indices):
        count("choice by a mask")
    return func(tensor, _without_masks(indices), values, *rest, **options)


def _distinct(count: Count, func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> tuple[Tensor, ...]:
    if args[0].device.type == "cuda":
        count("unique")
    values = args[0].flatten()
    return values.clone(), values.to(torch.int64), values.to(torch.int64)


def _counts(count: Count, func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Tensor:
    if args[0].device.type == "cuda":
        count("bincount")
    least = args[2] if len(args) > 2 else options.get("minlength", 0)
    return args[0].new_zeros(max(1, least), dtype=torch.int64)


def _kept(count: Count, func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Tensor:
    boxes, scores, _ = args
    if boxes.device != scores.device:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {boxes.device}, {scores.device}")
    if boxes.device.type == "cuda":
        count("non-maximum suppression")
    return torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)


def _updated(count: Count, func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    _check_together(tree_leaves((args, options)))  # in place; PyTorch has no fake of it


_ANSWERS: dict[str, Callable[[Count, Any, tuple[Any, ...], Mapping[str, Any]], Any]] = {
    "aten::_local_scalar_dense": _number,
    "aten::item": _number,
    "aten::is_nonzero": _number,
    "aten::nonzero": _places,
    "aten::equal": _same,
    "aten::index": _chosen,
    "aten::index_put": _replaced,
    "aten::index_put_": _replaced,
    "aten::_unique2": _distinct,
    "aten::bincount": _counts,
    "aten::_fused_sgd_": _updated,
    "torchvision::nms": _kept,
}


def _has_mask(indices: Sequence[Tensor | None]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


def _without_masks(indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Numbers in place of masks, each of which chooses all."""
    plain: list[Tensor | None] = []
    for index in indices:
        if index is None or index.dtype not in (torch.bool, torch.uint8):
            plain.append(index)
        else:
            plain += [torch.zeros(index.numel(), dtype=torch.int64, device=index.device) for _ in range(index.ndim)]
    return plain


def _asking_line() -> str:
    """``folder/file.py:line`` of the innermost frame that is neither PyTorch's nor this file's."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith((_TORCH, "<")):
            break
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    for base in (ROOT, *(Path(each) for each in sys.path if each.endswith("site-packages"))):
        if path.is_relative_to(base):
            path = path.relative_to(base)
            break
    return f"{path}:{frame.f_lineno}"


def to_cuda(module: nn.Module) -> nn.Module:
    """``module.to`` a fake GPU: what is neither parameter nor buffer stays where it is, as on a real one.

    PyTorch would swap a parameter's contents for the fake one's, which ends in a crash once they are collected.
    """
    with patch.object(nn.Module, "_apply", _replace):
        return module.to(CUDA)


def _replace(self: nn.Module, change: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    for child in self.children():
        child._apply(change)
    for name, parameter in self._parameters.items():
        if parameter is not None:
            self._parameters[name] = nn.Parameter(change(parameter.detach()), parameter.requires_grad)
    for name, buffer in self._buffers.items():
        if buffer is not None:
            self._buffers[name] = change(buffer)
    return self


@contextmanager
def fake_gradients(*modules: nn.Module) -> Iterator[None]:
    """``Tensor.backward`` gives every weight that trains a gradient: autograd's own wants a real GPU's context."""
    backward = Tensor.backward

    def pretend(loss: Tensor, *_: Any, **__: Any) -> None:
        assert loss.requires_grad
        for module in modules:
            for weight in module.parameters():
                if weight.requires_grad:
                    weight.grad = torch.empty_like(weight)

    Tensor.backward = pretend  # type: ignore[method-assign]
    try:
        yield
    finally:
        Tensor.backward = backward  # type: ignore[method-assign]


def tensors_of(value: Any) -> list[Tensor]:
    """All tensors in a nest of containers."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
