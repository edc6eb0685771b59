"""Dictionaries that ``torch.save`` wrote: their values, and their tensors."""

from __future__ import annotations

import io
from collections.abc import Callable
from random import Random
from typing import Any

import torch

from campaigns.mutators.fields import change_field
from campaigns.mutators.mutation import VALUE, Mutation


def saved_field(content: bytes, random: Random) -> Mutation:
    """A value of the dictionary that ``torch.save`` wrote is another; a tensor of another shape or type among them."""
    document = torch.load(io.BytesIO(content), weights_only=True)
    if random.random() < 0.3:
        changed, what, damage = _change_tensor(document, random)
    else:
        changed, what, damage = change_field(document, random)
    stream = io.BytesIO()
    torch.save(changed, stream)
    return Mutation(stream.getvalue(), what, damage)


def _change_tensor(document: dict[str, Any], random: Random) -> tuple[Any, str, str]:
    tensors = document["model"] if "model" in document else document["state_dict"]
    name = random.choice(sorted(tensors))
    changes: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "of one value more": lambda value: torch.cat([value.reshape(-1), torch.zeros(1, dtype=value.dtype)]),
        "without values": lambda value: value.new_zeros(0),
        "expanded to 10^12 values": lambda value: value.new_zeros(1).expand(10**12),
        "sparse": lambda value: value.reshape(-1).to_sparse(),
        "without memory": lambda value: value.to("meta"),
        "not a number": lambda value: (
            torch.full_like(value, float("nan")) if value.is_floating_point() else value.float()
        ),
        "of whole numbers": lambda value: value.to(torch.int8),
        "complex": lambda value: value.to(torch.complex64),
    }
    kind = random.choice(sorted(changes))
    tensors[name] = changes[kind](tensors[name])
    return document, f"{name} is {kind}", VALUE
