"""The ledger: what became of every tensor.

Each source tensor has exactly one fate and each target tensor exactly one origin; shapes, dtypes and checksums are
compared. Anything left over is an error that names the tensors. BatchNorm's running statistics and counters are
tensors like all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from backbones.bundles.bundle import Bundle, tensor_checksum
from backbones.errors import UserError
from backbones.models import Trunk
from backbones.models.timm_survey import TIMM_PREFIX, head_prefixes
from backbones.models.timm_trunk import DROPPED_HEAD

TRUNK_PREFIX = "trunk."
# What is left behind, and why.
AUXILIARY_PREFIX = "aux_head."
DROPPED_AUXILIARY = "dropped: auxiliary head"
DROPPED = {"head.": DROPPED_HEAD, AUXILIARY_PREFIX: DROPPED_AUXILIARY}
HEAD_PREFIX = "head."
HEAD = "head.weight"  # a classifier has it, a trunk alone has not
MAPPED = "mapped"
NOTHING: Mapping[str, str] = MappingProxyType({})


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


def count_classes(bundle: Bundle) -> int:
    """How many classes the bundle's head tells apart; 0 if it holds none."""
    name = HEAD
    if bundle.architecture.startswith(TIMM_PREFIX):
        # A model of timm holds its head; the first layer's weights, where that is several ones.
        heads = tuple(f"{TRUNK_PREFIX}model.{prefix}." for prefix in head_prefixes(bundle.architecture)[:1])
        name = next((each for each in bundle.tensors if each.startswith(heads) and each.endswith(".weight")), HEAD)
    return len(bundle.tensors[name]) if name in bundle.tensors else 0


def take_ledger(bundle: Bundle, target: Mapping[str, Tensor], left_behind: Mapping[str, str] = NOTHING) -> Ledger:
    """Account for every tensor of a bundle and of a trunk that was loaded from it.

    Args:
        bundle: The source.
        target: The trunk's tensors by name, its ``state_dict()``.
        left_behind: As ``Trunk`` has it.

    Raises:
        ProofError: A tensor is without fate or origin, or differs in shape, dtype or value; the message names it.
    """
    return _take(bundle, _trunk_fates(bundle, left_behind), _arrived(target, left_behind), left_behind)


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

    left_behind = next((part.left_behind for part in parts.values() if isinstance(part, Trunk)), NOTHING)
    fates = {source: name and place(name) for source, name in _trunk_fates(bundle, left_behind).items()}
    return _take(bundle, fates, target, left_behind)


def _arrived(target: Mapping[str, Tensor], left_behind: Mapping[str, str]) -> dict[str, Tensor]:
    """What of a trunk comes from a bundle: not a new head in the old one's place."""
    return {name: tensor for name, tensor in target.items() if name not in left_behind}


def _take(
    bundle: Bundle,
    fates: Mapping[str, str | None],
    target: Mapping[str, Tensor],
    left_behind: Mapping[str, str] = NOTHING,
) -> Ledger:
    _check_names(bundle, fates, target)
    _check_shapes(bundle, fates, target)
    changed = [
        name for source, name in fates.items() if name and tensor_checksum(target[name]) != bundle.checksums[source]
    ]
    if changed:
        raise ProofError(f"{name_tensors(changed)} in the built backbone differ in value from {bundle.source}")
    return Ledger(tuple(_entry(bundle, source, name, left_behind) for source, name in fates.items()))


def load_trunk(trunk: Trunk, bundle: Bundle) -> Ledger:
    """Copy a bundle's trunk into a trunk of the same architecture, and account for every tensor.

    Raises:
        ProofError: See ``take_ledger``; the trunk is not touched unless all names, shapes and dtypes agree.
    """
    return _load(bundle, _trunk_fates(bundle, trunk.left_behind), trunk, trunk.left_behind)


def load_part(part: nn.Module, bundle: Bundle) -> None:
    """Copy into a part of a trunk what a bundle has for it: everything under the names of the part's own children.

    The rest of the bundle is for other parts; ``take_parts_ledger`` accounts for the whole.

    Raises:
        ProofError: As for ``load_trunk``.
    """
    children = {name for name, _ in part.named_children()}
    left_behind = part.left_behind if isinstance(part, Trunk) else NOTHING
    fates = _trunk_fates(bundle, left_behind)
    own = {source: name for source, name in fates.items() if name and name.split(".")[0] in children}
    _load(bundle, own, part, left_behind)


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


def _load(
    bundle: Bundle, fates: Mapping[str, str | None], model: nn.Module, left_behind: Mapping[str, str] = NOTHING
) -> Ledger:
    target = _arrived(model.state_dict(), left_behind)
    _check_names(bundle, fates, target)
    _check_shapes(bundle, fates, target)
    with torch.no_grad():
        for source, name in fates.items():
            if name:
                target[name].copy_(bundle.tensors[source])
    return _take(bundle, fates, _arrived(model.state_dict(), left_behind), left_behind)


def _trunk_fates(bundle: Bundle, left_behind: Mapping[str, str]) -> dict[str, str | None]:
    """Target name of every source tensor, ``None`` for the dropped ones."""
    fates: dict[str, str | None] = {}
    for source in bundle.tensors:
        if source.startswith(TRUNK_PREFIX):
            name = source.removeprefix(TRUNK_PREFIX)
            fates[source] = None if name in left_behind else name
        elif source.startswith(tuple(DROPPED)):
            fates[source] = None
    strangers = [source for source in bundle.tensors if source not in fates]
    if strangers:
        raise ProofError(f"{bundle.source} holds {name_tensors(strangers)}, which belong neither to trunk nor to head")
    return fates


def _entry(bundle: Bundle, source: str, name: str | None, left_behind: Mapping[str, str]) -> LedgerEntry:
    reason = MAPPED if name else left_behind.get(source.removeprefix(TRUNK_PREFIX))
    reason = reason or next(fate for prefix, fate in DROPPED.items() if source.startswith(prefix))
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
