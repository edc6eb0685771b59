"""How thoroughly to measure, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LEAST_ROUNDS = 5


@dataclass(frozen=True)
class Settings:
    """``scratch`` is an empty folder for one benchmark; ``photographs`` a folder with JPEG files to use.

    ``quick``: less of everything, and nothing that takes minutes.
    """

    scratch: Path
    quick: bool = False
    rounds: int = LEAST_ROUNDS
    photographs: Path | None = None

    def amount(self, usual: int, quick: int) -> int:
        """How many, depending on ``quick``."""
        return quick if self.quick else usual
