"""What several tests of the tools need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def worker_of_rank() -> Callable[[int, int], int | None]:
    """Finds a torchrun worker by its rank and its launcher's process id, through /proc."""

    def find(rank: int, launcher: int) -> int | None:
        """Process id of a torchrun worker by its rank, or None while there is none."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if parent == launcher and f"RANK={rank}".encode() in environment:
                return int(folder.name)
        return None

    return find
