"""The ledger: what became of every tensor.

Each source tensor has exactly one fate and each target tensor exactly one origin; shapes, dtypes and checksums are
compared. Anything left over is an error that names the tensors. BatchNorm's running statistics and counters are
tensors like all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from backbones.bundles.bundle import Bundle, tensor_checksum
from backbones.errors import UserError
from backbones.models import Trunk

TRUNK_PREFIX = "trunk."
# What is left behind, and why.
AUXILIARY_PREFIX = "aux_head."
DROPPED_AUXILIARY = "dropped: auxiliary head"
DROPPED = {"head.": "dropped: classifier head", AUXILIARY_PREFIX: DROPPED_AUXILIARY}
HEAD_PREFIX = "head."
HEAD = "head.weight"  # a classifier has it, a trunk alone has not
MAPPED = "mapped"


class ProofError(UserError):
    """The trunk in the detector or segmentor is not the trunk that was trained; nothing may be trained on top of it."""


@dataclass(frozen=True)
class LedgerEntry:
    """The fate of one source tensor; ``target`` is its name in the built model, ``None`` when it was dropped."""

    source: str
    fate: str
    target: str | None
    shape: tuple[int, ...]
    dtype: str
    checksum: str


@dataclass(frozen=True)
class Ledger:
    """All source tensors of a bundle with their fates."""

    entries: tuple[LedgerEntry, ...]

    @property
    def mapped(self) -> int:
        """Number of tensors that arrived."""
        return sum(entry.fate == MAPPED for entry in self.entries)

    def summary(self) -> dict[str, Any]:
        """Counts, the names of dropped tensors by reason, and one digest over all entries."""
        dropped: dict[str, list[str]] = {}
        for entry in self.entries:
            if entry.fate != MAPPED:
                dropped.setdefault(entry.fate, []).append(entry.source)
        digest = hashlib.sha256(repr([asdict(entry) for entry in self.entries]).encode()).hexdigest()
        return {"source_tensors": len(self.entries), "mapped": self.mapped, "dropped": dropped, "digest": digest}

    def rows(self) -> list[dict[str, Any]]:
        """The entries as plain data, for ``ledger.json``."""
        return [asdict(entry) for entry in self.entries]


def take_ledger(bundle: Bundle, target: Mapping[str, Tensor]) -> Ledger:
    """Account for every tensor of a bundle and of a trunk that was loaded from it.

    Args:
        bundle: The source.
        target: The trunk's tensors by name, its ``state_dict()``.

    Raises:
        ProofError: A tensor is without fate or origin, or differs in shape, dtype or value; the message names it.
    """
    return _take(bundle, _trunk_fates(bundle), target)


def take_parts_ledger(bundle: Bundle, parts: Mapping[str, nn.Module]) -> Ledger:
    """Account for every tensor of a bundle and of the parts of a trunk, wherever in a model they are.

    Args:
        bundle: The source.
        parts: The parts by their names in the model. Inside a part, tensors have the trunk's own names.

    Raises:
        ProofError: As for ``take_ledger``; also a tensor that two parts hold, or none.
    """
    target = {
        f"{prefix}.{name}": tensor for prefix, part in parts.items() for name, tensor in part.state_dict().items()
    }
    first = next(iter(parts), "backbone")

    def place(name: str) -> str:
        return next((there for prefix in parts if (there := f"{prefix}.{name}") in target), f"{first}.{name}")

    fates = {source: name and place(name) for source, name in _trunk_fates(bundle).items()}
    return _take(bundle, fates, target)


def _take(bundle: Bundle, fates: Mapping[str, str | None], target: Mapping[str, Tensor]) -> Ledger:
    _check_names(bundle, fates, target)
    _check_shapes(bundle, fates, target)
    changed = [
        name for source, name in fates.items() if name and tensor_checksum(target[name]) != bundle.checksums[source]
    ]
    if changed:
        raise ProofError(f"{name_tensors(changed)} in the built backbone differ in value from {bundle.source}")
    return Ledger(tuple(_entry(bundle, source, name) for source, name in fates.items()))


def load_trunk(trunk: Trunk, bundle: Bundle) -> Ledger:
    """Copy a bundle's trunk into a trunk of the same architecture, and account for every tensor.

    Raises:
        ProofError: See ``take_ledger``; the trunk is not touched unless all names, shapes and dtypes agree.
    """
    return _load(bundle, _trunk_fates(bundle), trunk)


def load_part(part: nn.Module, bundle: Bundle) -> None:
    """Copy into a part of a trunk what a bundle has for it: everything under the names of the part's own children.

    The rest of the bundle is for other parts; ``take_parts_ledger`` accounts for the whole.

    Raises:
        ProofError: As for ``load_trunk``.
    """
    children = {name for name, _ in part.named_children()}
    fates = _trunk_fates(bundle)
    _load(bundle, {source: name for source, name in fates.items() if name and name.split(".")[0] in children}, part)


def load_classifier(classifier: nn.Module, bundle: Bundle) -> Ledger:
    """Copy a whole bundle, head included, into a classifier, and account for every tensor.

    An auxiliary head in the bundle is dropped by a classifier that has none.

    Raises:
        ProofError: As for ``load_trunk``.
    """
    target = classifier.state_dict()
    fates = {
        name: None if name.startswith(AUXILIARY_PREFIX) and name not in target else name for name in bundle.tensors
    }
    return _load(bundle, fates, classifier)


def _load(bundle: Bundle, fates: Mapping[str, str | None], model: nn.Module) -> Ledger:
    target = model.state_dict()
    _check_names(bundle, fates, target)
    _check_shapes(bundle, fates, target)
    with torch.no_grad():
        for source, name in fates.items():
            if name:
                target[name].copy_(bundle.tensors[source])
    return _take(bundle, fates, model.state_dict())


def _trunk_fates(bundle: Bundle) -> dict[str, str | None]:
    """Target name of every source tensor, ``None`` for the dropped ones."""
    fates: dict[str, str | None] = {}
    for source in bundle.tensors:
        if source.startswith(TRUNK_PREFIX):
            fates[source] = source.removeprefix(TRUNK_PREFIX)
        elif source.startswith(tuple(DROPPED)):
            fates[source] = None
    strangers = [source for source in bundle.tensors if source not in fates]
    if strangers:
        raise ProofError(f"{bundle.source} holds {name_tensors(strangers)}, which belong neither to trunk nor to head")
    return fates


def _entry(bundle: Bundle, source: str, name: str | None) -> LedgerEntry:
    reason = MAPPED if name else next(fate for prefix, fate in DROPPED.items() if source.startswith(prefix))
    tensor = bundle.tensors[source]
    return LedgerEntry(source, reason, name, tuple(tensor.shape), str(tensor.dtype), bundle.checksums[source])


def _check_names(bundle: Bundle, fates: Mapping[str, str | None], target: Mapping[str, Tensor]) -> None:
    arriving = {name for name in fates.values() if name}
    problems = []
    if orphans := [name for name in target if name not in arriving]:
        problems.append(f"the backbone's {name_tensors(orphans)} have no origin in it")
    if homeless := sorted(arriving - target.keys()):
        problems.append(f"its {name_tensors(homeless)} have no place in the backbone")
    if problems:
        raise ProofError(f"{bundle.source} (a {bundle.architecture}) does not fit this backbone: {'; '.join(problems)}")


def _check_shapes(bundle: Bundle, fates: Mapping[str, str | None], target: Mapping[str, Tensor]) -> None:
    wrong = []
    for source, name in fates.items():
        if name:
            there, here = target[name], bundle.tensors[source]
            if there.shape != here.shape or there.dtype != here.dtype:
                wrong.append(
                    f"{name} is {tuple(there.shape)} {there.dtype}, the bundle has {tuple(here.shape)} {here.dtype}"
                )
    if wrong:
        raise ProofError(
            f"{bundle.source} (a {bundle.architecture}) does not fit this backbone: {'; '.join(wrong[:5])}"
        )


def name_tensors(names: Iterable[str], limit: int = 6) -> str:
    """Tensors for a message, the first few by name."""
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return f"tensor{'s' if len(listed) > 1 else ''} {', '.join(listed[:limit])}{more}"
