"""A run of a suite: its command, its folder, what it waits for, and what it is known by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.cli.shell import shell_command

ID_DIGITS = 8


@dataclass(frozen=True)
class PlannedRun:
    """One command of a suite.

    Attributes:
        name: What people see: row, seed of the training, task, and of its further transfers the number.
        row: Name of the row or teacher.
        kind: "classification", "detection", "segmentation" or "import".
        seed: Of the run itself; an import has none.
        command: The words after ``python``, from the project's folder.
        folder: Where it writes.
        product: The file whose presence means that it is done.
        log: What it printed, all attempts one after the other.
        needs: Names of the runs that must be done before.
        digest: Of everything that decides the result.
        compared: Whether the comparison shows it; it does not show teachers and imports.
        facts: What the plan's estimate reckons with.
    """

    name: str
    row: str
    kind: str
    seed: int | None
    command: tuple[str, ...]
    folder: Path
    product: Path
    log: Path
    needs: tuple[str, ...] = ()
    digest: str = ""
    compared: bool = True
    facts: Mapping[str, Any] | None = None

    @property
    def done(self) -> bool:
        """Whether its product is there."""
        return self.product.exists()

    @property
    def begun(self) -> bool:
        """Whether there is something to resume."""
        return (self.folder / "run.json").exists()

    @property
    def claim(self) -> Path:
        """The lock of whoever carries it out; not in its folder, which must be empty when it begins."""
        return self.log.with_suffix(".lock")

    @property
    def printed(self) -> str:
        """The command, to be pasted into a shell in the project's folder."""
        return f"python {shell_command(self.command)}"


def digest_of(identity: Mapping[str, Any]) -> str:
    """SHA-256 of what was asked, data, code, and the digests of the runs that this one builds on."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
