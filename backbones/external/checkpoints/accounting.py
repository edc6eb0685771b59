"""Tensors of a public checkpoint into a classifier, every one accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from backbones.bundles.bundle import tensor_checksum
from backbones.bundles.ledger import DROPPED_AUXILIARY, MAPPED, Ledger, LedgerEntry, name_tensors
from backbones.errors import UserError
from backbones.external.keys.layers import BATCH_COUNTER
from backbones.models import Classifier

# Each of them goes into float32 without rounding.
_EXACT = (torch.float32, torch.float16, torch.bfloat16)
NO_REASONS: Mapping[str, str] = MappingProxyType({})


def head_size(source: str, name: str, tensor: Tensor | None) -> int:
    """Classes that the head of a checkpoint tells apart.

    Args:
        source: What the checkpoint is called in messages.
        name: The head's weights in it.
        tensor: These; None where they are missing, which only a half head is.

    Raises:
        UserError: They are no weights of a fully connected layer, or of the 1 x 1 convolution that is one.
    """
    if tensor is None or tensor.ndim < 2 or any(side != 1 for side in tensor.shape[2:]):
        what = "is missing" if tensor is None else f"is {tuple(tensor.shape)}"
        raise UserError(f"{source}: {name}, the weights of its classifier, {what}; a fully connected layer has (K, C)")
    return len(tensor)


def load_by_table(
    source: str,
    classifier: Classifier,
    tensors: Mapping[str, Tensor],
    table: Mapping[str, str | None],
    reasons: Mapping[str, str] = NO_REASONS,
) -> Ledger:
    """Copy tensors into a classifier by a key table; each has one fate, and each of the classifier's one origin.

    Files from before PyTorch 0.4.1 hold no BatchNorm counters. Where a file holds none at all, they stay at 0: nothing
    here computes with them. Where it holds some, all are expected.

    Args:
        source: What the tensors are called in messages.
        classifier: It is not touched unless all names, shapes and types agree.
        tensors: Tensors by the source's names.
        table: Fate of each name, see ``backbones.external.keys``. It may leave out the classifier's head.
        reasons: Why a tensor is dropped, where it is no auxiliary head's.

    Raises:
        UserError: A tensor is left over, missing, of another shape or type, or not finite; the message names it.
    """
    target = classifier.state_dict()
    counted = any(name in tensors for name, ours in table.items() if ours and ours.endswith(BATCH_COUNTER))
    expected = {
        theirs: ours for theirs, ours in table.items() if ours and (counted or not ours.endswith(BATCH_COUNTER))
    }
    _check_names(source, tensors, table, expected)
    _check_tensors(source, tensors, expected, target)
    with torch.no_grad():
        for theirs, ours in expected.items():
            target[ours].copy_(tensors[theirs])
    return Ledger(tuple(_entry(name, tensor, table[name], reasons) for name, tensor in tensors.items()))


def _check_names(
    source: str, tensors: Mapping[str, Tensor], table: Mapping[str, str | None], expected: Mapping[str, str]
) -> None:
    problems = []
    if strangers := [name for name in tensors if name not in table]:
        problems.append(f"it holds {name_tensors(strangers)}, which this network does not have")
    if missing := [name for name in expected if name not in tensors]:
        problems.append(f"it lacks {name_tensors(missing)}")
    if problems:
        raise UserError(f"{source} is not this network: {'; '.join(problems)}")


def _check_tensors(
    source: str, tensors: Mapping[str, Tensor], expected: Mapping[str, str], target: Mapping[str, Tensor]
) -> None:
    problems = []
    for theirs, ours in expected.items():
        there, here = tensors[theirs], target[ours]
        if there.shape != here.shape:
            problems.append(f"{theirs} is {tuple(there.shape)} and should be {tuple(here.shape)}")
        elif there.dtype not in (_EXACT if here.is_floating_point() else (here.dtype,)):
            problems.append(f"{theirs} is {there.dtype}, which is not {here.dtype} without rounding")
        elif not torch.isfinite(there).all():
            problems.append(f"{theirs} holds values that are not finite")
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UserError(f"{source} does not fit this network: {'; '.join(problems[:5])}{more}")


def _entry(name: str, tensor: Tensor, ours: str | None, reasons: Mapping[str, str]) -> LedgerEntry:
    fate = MAPPED if ours else reasons.get(name, DROPPED_AUXILIARY)
    return LedgerEntry(name, fate, ours, tuple(tensor.shape), str(tensor.dtype), tensor_checksum(tensor))
