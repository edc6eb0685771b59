"""The state of an optimizer or of a schedule in a checkpoint, held against its own before it is taken over.

PyTorch and mmengine take over nearly anything, and stumble over it steps later, or never and train on in another way.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_WEIGHTS = "params"


def require_same_structure(there: Any, own: Any, name: str) -> None:
    """See that plain values, and what is in dictionaries and lists of them, are of the kinds of one's own.

    A switch, which is True, False or None, may be lacking: other versions have others, with defaults.

    Args:
        there: What a checkpoint has.
        own: One's own.
        name: Of both, for the message.

    Raises:
        ValueError: The first that is of another kind, no finite number, or lacking.
    """
    if isinstance(own, Mapping):
        _require_entries(there, own, name)
    elif isinstance(own, (list, tuple)):
        if not isinstance(there, (list, tuple)) or len(there) != len(own):
            raise ValueError(f"{name} is {reprlib.repr(there)}, not {len(own)} values")
        for number, (theirs, ours) in enumerate(zip(there, own, strict=True)):
            require_same_structure(theirs, ours, f"{name}.{number}")
    elif not _is_of_same_kind(there, own):
        raise ValueError(f"{name} is {reprlib.repr(there)}, not of the kind of {reprlib.repr(own)}")


def _require_entries(there: Any, own: Mapping[Any, Any], name: str) -> None:
    if not isinstance(there, Mapping):
        raise ValueError(f"{name} is {reprlib.repr(there)}, not a section")
    for key, ours in own.items():
        if key in there:
            require_same_structure(there[key], ours, f"{name}.{key}")
        elif not _is_switch(ours):
            raise ValueError(f"{name} lacks {key}")


def _is_of_same_kind(there: Any, own: Any) -> bool:
    if _is_switch(own):
        return _is_switch(there) or (own is None and _is_finite(there))
    if _is_number(own):
        return _is_finite(there) or (_is_number(there) and not math.isfinite(own))
    if isinstance(own, Tensor):
        return isinstance(there, Tensor) and there.shape == own.shape
    return isinstance(there, type(own))


def _is_switch(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and abs(value) <= _MOST  # which is false for NaN


_MOST = torch.finfo(torch.float32).max  # weights could not be computed with more


def require_optimizer_state(there: Any, optimizer: Optimizer) -> None:
    """See that an optimizer's state in a checkpoint is one of an optimizer of the same weights.

    Args:
        there: What its ``state_dict()`` was.
        optimizer: That is to go on with it.

    Raises:
        ValueError: Groups are others, or what is kept of a weight is no number and not of its shape.
    """
    if not isinstance(there, Mapping):
        raise ValueError(f"optimizer is {reprlib.repr(there)}, not a section")
    _require_groups(there.get("param_groups"), optimizer)
    _require_state(there.get("state"), optimizer)


def _require_state(state: Any, optimizer: Optimizer) -> None:
    weights = dict(enumerate(weight for group in optimizer.param_groups for weight in group[_WEIGHTS]))
    if not isinstance(state, Mapping) or not all(isinstance(kept, Mapping) for kept in state.values()):
        raise ValueError("optimizer.state is not a section for each weight")
    if len({frozenset(kept) for kept in state.values()}) > 1:
        raise ValueError("optimizer.state has not the same of all weights")
    for number, kept in state.items():
        if number not in weights:
            raise ValueError(f"optimizer.state.{reprlib.repr(number)} is of no weight of this model")
        for name, value in kept.items():
            if not _is_kept_of(value, weights[number]):
                raise ValueError(
                    f"optimizer.state.{number}.{name} is not of the weight's shape and type, and no number"
                )
    for name in next(iter(state.values()), {}):
        # A single number would be taken for a momentum by some optimizers, and others keep some of every weight.
        kinds = {
            isinstance(kept[name], Tensor) and kept[name].dim() > 0
            for number, kept in state.items()
            if kept[name] is not None and weights[number].dim() > 0
        }
        if len(kinds) > 1:
            raise ValueError(f"optimizer.state has {name} of some weights as single numbers")


def _require_groups(there: Any, optimizer: Optimizer) -> None:
    own = optimizer.state_dict()["param_groups"]
    if not isinstance(there, list) or len(there) != len(own):
        raise ValueError(f"optimizer.param_groups is not a list of {len(own)}")
    for number, (theirs, ours) in enumerate(zip(there, own, strict=True)):
        name = f"optimizer.param_groups.{number}"
        require_same_structure(theirs, ours, name)
        if list(theirs[_WEIGHTS]) != list(ours[_WEIGHTS]):
            raise ValueError(f"{name}.{_WEIGHTS} are not the weights of this model")
        for key, value in _rates(theirs):
            if not _is_finite(value):
                raise ValueError(f"{name}.{key} is {reprlib.repr(value)}, not a number")


def _rates(group: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Those that schedules add to a group."""
    return ((key, value) for key, value in group.items() if isinstance(key, str) and key.startswith("initial_"))


def _is_kept_of(value: Any, weight: Tensor) -> bool:
    if not isinstance(value, Tensor):
        return value is None or _is_finite(value)
    if value.numel() == 1 and value.dim() == 0:  # how many steps were made
        return not value.is_complex()
    return value.shape == weight.shape and value.is_floating_point() == weight.is_floating_point()
