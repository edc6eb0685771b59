"""Tensors that are values in memory, and those that only seem to be."""

from __future__ import annotations

from typing import Any

import torch
from pytest import mark
from torch import Tensor

from backbones.tensor_files import strangeness, tensors_in


@mark.parametrize(
    "tensor",
    [
        torch.ones(3),
        torch.ones(0),
        torch.ones(()),
        torch.ones(2, 3).t(),
        torch.ones(6)[::2],
        torch.nn.Parameter(torch.ones(1)),
    ],
)
def test_values_in_memory_are_plain(tensor: Tensor) -> None:
    assert strangeness(tensor) is None


@mark.parametrize(
    ("tensor", "words"),
    [
        (torch.ones(3, device="meta"), "without values"),
        (torch.ones(3).to_sparse(), "torch.sparse_coo, torch.float32"),
        (torch.quantize_per_tensor(torch.ones(3), 1.0, 0, torch.qint8), "torch.strided, torch.qint8"),
        (torch.ones(1).expand(10**12), "one of 4000000000000 bytes, which are not in the file"),
    ],
)
def test_others_are_told(tensor: Tensor, words: str) -> None:
    assert words in str(strangeness(tensor))


def test_tensors_are_found_wherever_they_are() -> None:
    one, other = torch.ones(1), torch.ones(2)
    content: dict[str, Any] = {"a": {3: [0, one]}, "b": (other, "text"), "c": one}
    content["circle"] = content
    assert dict(tensors_in(content)) == {"a.3.1": one, "b.0": other, "c": one}
    assert dict(tensors_in(other)) == {"": other}
