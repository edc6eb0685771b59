"""Fields of documents (JSON, YAML, headers, dictionaries of PyTorch): another value, another type, or none."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import yaml

from campaigns.mutators.mutation import MISSING, TYPE, VALUE, Mutation, Mutator

Place = tuple[Any, ...]
_DEEP = 300


def _nested(depth: int) -> list[Any]:
    inside: list[Any] = []
    for _ in range(depth):
        inside = [inside]
    return inside


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, -1e308, 1e308, float("inf"), float("nan")),
    *("", "text", "1", "../x", "line\nbreak", "\x1b[31m", "=1+1", "<b>x</b>", "x" * 5000, "\ud800"[:0] + "ü\u202e"),
    *([], {}, [[]], [1, 2], ["a"], {"a": 1}, {"": None}, [None], _nested(_DEEP)),
)


def places(document: Any, most: int = 2000) -> list[Place]:
    """Where a document has a value, by keys and numbers from its top; its top is not among them."""
    found: list[Place] = []

    def walk(value: Any, place: Place) -> None:
        if len(found) < most:
            if place:
                found.append(place)
            for key, inside in _entries(value):
                walk(inside, (*place, key))

    walk(document, ())
    return found


def _entries(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def change_field(document: Any, random: Random) -> tuple[Any, str, str]:
    """A copy with one field changed; what was done, and of which kind that is."""
    changed = copy.deepcopy(document)
    # Wide lists would take nearly all: first how deep, then which.
    by_depth: dict[int, list[Place]] = {}
    for place in places(document):
        by_depth.setdefault(len(place), []).append(place)
    if not by_depth or random.random() < 0.03:
        value = random.choice(VALUES)
        return value, f"all of it {_short(value)}", TYPE if type(value) is not type(document) else VALUE
    place = random.choice(by_depth[random.choice(sorted(by_depth))])
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    where = ".".join(map(str, place))
    before = parent[place[-1]]
    action = random.random()
    if action < 0.1:
        del parent[place[-1]]
        return changed, f"{where} deleted", MISSING
    if action < 0.15 and isinstance(parent, dict):
        parent["unknown"] = parent.pop(place[-1])
        return changed, f"{where} renamed to 'unknown'", MISSING
    value = random.choice([each for each in VALUES if not _is_equal(each, before)])
    parent[place[-1]] = copy.deepcopy(value)
    return changed, f"{where} was {_short(before)}, is {_short(value)}", _damage(before, value)


def _is_equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def _damage(before: Any, value: Any) -> str:
    if value is None or before is None:
        return MISSING
    numbers = (int, float)
    alike = type(before) is type(value) or (
        isinstance(before, numbers) and isinstance(value, numbers) and bool not in (type(before), type(value))
    )
    return VALUE if alike else TYPE


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def of_documents(read: Callable[[bytes], Any], write: Callable[[Any], bytes]) -> Mutator:
    """A mutator of files that hold a document."""

    def change(content: bytes, random: Random) -> Mutation:
        document, what, damage = change_field(read(content), random)
        return Mutation(write(document), what, damage)

    return change


json_field = of_documents(json.loads, lambda document: json.dumps(document).encode())
yaml_field = of_documents(yaml.safe_load, lambda document: yaml.safe_dump(document, allow_unicode=True).encode())


def json_line(content: bytes, random: Random) -> Mutation:
    """One record of several, a line each."""
    lines = content.splitlines(keepends=True)
    number = random.randrange(len(lines))
    changed = json_field(lines[number], random)
    lines[number] = changed.content + b"\n"
    return Mutation(b"".join(lines), f"line {number + 1}: {changed.what}", changed.damage)
