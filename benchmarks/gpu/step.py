"""One step of ``python -m benchmarks.gpu``: what it is called, how long it should take, what it finds."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Place:
    """Where a step works.

    ``device`` is "cuda", or "cpu" in tests. ``scratch`` is the step's own folder; it stays between rounds, so that a
    step can go on where it was ended. ``photographs`` is a folder with JPEG files to load, None for made-up ones.
    ``seconds`` is the time of a round.
    ``tiny``: as little as can be measured at all, for tests.
    """

    device: str
    scratch: Path
    photographs: Path | None = None
    seconds: float = 540.0
    tiny: bool = False

    def amount(self, usual: int, tiny: int) -> int:
        """How many, depending on ``tiny``."""
        return tiny if self.tiny else usual


@dataclass(frozen=True)
class Found:
    """``figures`` are the lines of a table: name to numbers by column. Not ``whole``: another round goes on."""

    figures: Figures = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    whole: bool = True

    def as_json(self) -> dict[str, Any]:
        """For the file between the step's process and the runner."""
        return asdict(self)


@dataclass(frozen=True)
class Step:
    """``estimate`` is in seconds, and a guess until somebody has measured.

    ``asks`` says what is measured; ``work``, "module:function", takes a ``Place`` and gives what was ``Found``, in a
    process of its own.
    """

    name: str
    part: str
    asks: str
    estimate: int
    work: str

    def __call__(self, place: Place) -> Found:
        """Do it, here."""
        module, _, function = self.work.partition(":")
        found: Found = getattr(importlib.import_module(module), function)(place)
        return found
