"""Where in a checkpoint a network lies, and what everything else there is.

A network is found by its key table: before its names stands a prefix, the same for all of its trunk. What stands beside
it has a fate by name (``layouts``); what has none is left to the accounting, which refuses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backbones.bundles.ledger import TRUNK_PREFIX
from backbones.errors import UserError
from backbones.external.checkpoints import layouts
from backbones.external.checkpoints.weight_file import AVERAGING_COUNTER, NO_PREFIX, WeightFile
from backbones.external.keys.layers import BATCH_COUNTER

Table = Mapping[str, str | None]

# A prefix with fewer of a network's names after it is that of a part: a block's, whose layers are called alike.
_SHARE = 0.5
OWN_HEAD = ("head",)


@dataclass(frozen=True)
class Located:
    """A network in a checkpoint.

    Attributes:
        table: For names in the file, the tensor of the classifier, or None where it is dropped.
        reasons: Why, for those that are dropped and are no auxiliary head.
        prefix: What stands before the trunk's names.
        head: The name of its head's weights in the file; None: it has none.
    """

    table: dict[str, str | None]
    reasons: dict[str, str]
    prefix: str
    head: str | None

    @property
    def found(self) -> tuple[str, ...]:
        """Where its parts were, in words; nothing for a plain state dictionary."""
        elsewhere = self.head is not None and not self.head.startswith(self.prefix)
        return (*((self.prefix,) if self.prefix else ()), *((f"head at {self.head}",) if elsewhere else ()))


@dataclass(frozen=True)
class _Names:
    """A table, and the classifier's modules that are its heads, the first one of which is asked."""

    table: Table
    heads: tuple[str, ...]

    def is_head(self, ours: str | None) -> bool:
        """Whether a tensor of the classifier is one of a head's."""
        return ours is not None and ours.startswith(tuple(f"{each}." for each in self.heads))

    @property
    def head(self) -> dict[str, str | None]:
        """What of the table is heads'."""
        return {theirs: ours for theirs, ours in self.table.items() if self.is_head(ours)}

    @property
    def trunk(self) -> set[str]:
        """Names by which the network is found: those of its trunk."""
        return {
            theirs
            for theirs, ours in self.table.items()
            if ours and ours.startswith(TRUNK_PREFIX) and not self.is_head(ours) and BATCH_COUNTER not in ours
        }


def locate(label: str, file: WeightFile, spellings: Sequence[Table], heads: Sequence[str] = OWN_HEAD) -> Located:
    """Find a network.

    Args:
        label: What the file is called in messages.
        file: Its tensors, and what was asked for by a key.
        spellings: Tables that its names may follow.
        heads: The classifier's modules that are its heads.

    Raises:
        UserError: It is there more than once, and nothing says which one is meant, or it is not where it is asked for.
    """
    known = [_Names(each, tuple(heads)) for each in spellings]
    network, places = max(
        ((each, _places(file.tensors, each.trunk)) for each in known), key=lambda pair: _most(pair[1])
    )
    prefix = _choose(label, file, places)
    names = {prefix + theirs: ours for theirs, ours in network.table.items()}
    reasons = _reasons(file, network, prefix, places)
    names |= dict.fromkeys(reasons)
    head = _place_head(file.tensors, network, names, prefix)
    return Located(names, {name: why for name, why in reasons.items() if name in names}, prefix, head)


def _places(names: Iterable[str], expected: Collection[str]) -> dict[str, float]:
    """Prefixes after which a trunk's names follow, and which share of them."""
    counts: Counter[str] = Counter()
    for name in names:
        words = name.split(".")
        for cut in range(len(words)):
            if ".".join(words[cut:]) in expected:
                counts["".join(f"{word}." for word in words[:cut])] += 1
    return {prefix: count / len(expected) for prefix, count in counts.items() if count >= _SHARE * len(expected)}


def _most(places: Mapping[str, float]) -> float:
    return max(places.values(), default=0.0)


def _choose(label: str, file: WeightFile, places: Collection[str]) -> str:
    if file.wanted is not None:
        below = [prefix for prefix in places if (prefix.startswith(file.wanted) if file.wanted else not prefix)]
    else:
        below = [prefix for prefix in places if not _is_momentum_copy(prefix)] or list(places)
    if len(below) == 1:
        return below[0]
    if not places:
        return file.wanted or ""  # the accounting names what is missing
    keys = ", ".join(_key(file, prefix) for prefix in (below or places))
    if not below:
        raise UserError(f"{label}: this network is not under its --key; give --key with one of: {keys}")
    raise UserError(
        f"{label} holds this network {len(below)} times; say which one is meant, by --key with one of: {keys}"
    )


def _is_momentum_copy(prefix: str) -> bool:
    return any(word in layouts.MOMENTUM_COPIES for word in prefix.split("."))


def _key(file: WeightFile, prefix: str) -> str:
    """What to give as a key for the network after a prefix."""
    entries = [part.rstrip(".") for part in file.unwrapped if part != AVERAGING_COUNTER]
    return ".".join([*entries, prefix.rstrip(".") or NO_PREFIX])


def _reasons(file: WeightFile, network: _Names, prefix: str, places: Collection[str]) -> dict[str, str]:
    """Why tensors beside the network, or in the place of its head, are dropped."""
    reasons = {}
    others = sorted((place for place in places if place != prefix), key=len, reverse=True)
    own = {name for name in file.tensors if name.startswith(prefix) and name.removeprefix(prefix) in network.table}
    unlabelled = _trained_without_labels(file.tensors.keys() - own, prefix)
    for name in file.tensors:
        if name in own:
            if unlabelled and network.is_head(network.table[name.removeprefix(prefix)]):
                reasons[name] = layouts.DROPPED_PROJECTION
        elif why := _reason(name, file.wanted, network, prefix, others, unlabelled):
            reasons[name] = why
    return reasons


def _reason(
    name: str, wanted: str | None, network: _Names, prefix: str, others: Sequence[str], unlabelled: bool
) -> str | None:
    if wanted is not None and not name.startswith(wanted):
        return layouts.DROPPED_UNASKED
    for other in others:
        inside = name.startswith(other) and not (prefix.startswith(other) and name.startswith(prefix))
        if inside and (name.removeprefix(other) in network.table or not prefix.startswith(other)):
            return layouts.DROPPED_MOMENTUM if _is_momentum_copy(other) else layouts.DROPPED_COPY
    if unlabelled and name.startswith(tuple(f"{prefix}{head}." for head in _head_modules(network))):
        return layouts.DROPPED_PROJECTION
    rests = [name.removeprefix(parent) for parent in _parents(prefix) if name.startswith(parent)]
    return next(
        (why for rest in rests for part, why in layouts.BESIDE.items() if f"{rest}.".startswith(f"{part}.")), None
    )


def _trained_without_labels(names: Iterable[str], prefix: str) -> bool:
    """Whether what stands in the place of a head is a projection, by what the network is called or stands beside."""
    if any(word in layouts.TRAINED_WITHOUT_LABELS for word in prefix.split(".")):
        return True
    parts = tuple(f"{parent}{part}." for parent in _parents(prefix) for part in layouts.PROJECTION_HEADS)
    return any(name.startswith(parts) for name in names)


def _parents(prefix: str) -> list[str]:
    """A prefix and those that it begins with, the empty one among them: "a.b." gives "", "a." and "a.b."."""
    words = prefix.split(".")[:-1]
    return ["".join(f"{word}." for word in words[:cut]) for cut in range(len(words) + 1)]


def _head_modules(network: _Names) -> set[str]:
    return {theirs.rpartition(".")[0] for theirs in network.head}


def _place_head(tensors: Mapping[str, Any], network: _Names, names: dict[str, str | None], prefix: str) -> str | None:
    """Give the head's tensors their place in ``names``, which is changed; or take them out of it where there are none.

    Returns:
        The name of its weights.
    """
    inside = [prefix + theirs for theirs in network.head]
    if any(name in tensors and names[name] is not None for name in inside):
        first = tuple(f"{each}." for each in network.heads[:1])
        weights = [theirs for theirs, ours in network.head.items() if ours and ours.startswith(first)]
        return prefix + next(theirs for theirs in weights if theirs.endswith(".weight"))
    for name in inside:
        if name not in tensors:
            del names[name]
    beside = _parents(prefix)[-2] if prefix else None
    for place in layouts.HEADS if beside is not None and network.heads else ():
        if any(f"{beside}{place}{part}" in tensors for part in ("weight", "bias")):
            names |= {f"{beside}{place}{part}": f"{network.heads[0]}.{part}" for part in ("weight", "bias")}
            return f"{beside}{place}weight"
    return None
