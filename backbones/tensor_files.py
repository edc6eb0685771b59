"""Tensors that someone else may have saved: values in memory, one after the other, all of them in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

_PLAIN = (Tensor, torch.nn.Parameter)


def strangeness(tensor: Tensor) -> str | None:
    """Why a tensor of a file cannot be copied or compared as values in memory; None: it can."""
    if tensor.is_meta:
        return "without values (meta)"
    if tensor.layout != torch.strided or tensor.is_quantized or type(tensor) not in _PLAIN:
        return f"{tensor.layout}, {tensor.dtype}"
    # A single number may be said to fill terabytes; what is computed with it would take them.
    if (size := tensor.numel() * tensor.element_size()) > tensor.untyped_storage().nbytes():
        return f"one of {size} bytes, which are not in the file (expanded)"
    return None


def tensors_in(content: Any) -> Iterator[tuple[str, Tensor]]:
    """All tensors in dictionaries and lists, by keys and numbers from the top, with dots."""
    pending: list[tuple[str, Any]] = [("", content)]
    seen: set[int] = set()
    while pending:
        name, value = pending.pop()
        if isinstance(value, Tensor):
            yield name.removeprefix("."), value
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))  # a pickle may hold a list that is in itself
            entries = value.items() if isinstance(value, Mapping) else enumerate(value)
            pending += [(f"{name}.{key}", inside) for key, inside in entries]
