"""What a mutator gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

# What was damaged. A value of another type is never another valid input; one of the same type, a word or a missing
# value may be; damaged bytes may be in formats without checksums.
BYTES, WORDS, VALUE, TYPE, MISSING = "bytes", "words", "value", "type", "missing"


@dataclass(frozen=True)
class Mutation:
    """A damaged file: its content, what was done in words, and which of the above it was."""

    content: bytes
    what: str
    damage: str


Mutator = Callable[[bytes, Random], Mutation]
