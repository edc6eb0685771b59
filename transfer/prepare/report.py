"""What a check found: counts, faults and remarks, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from backbones.cli.shell import shell_word
from backbones.errors import UserError
from transfer.data.faults import MOST_NAMES

_MOST_ROWS = 200


@dataclass(frozen=True)
class Split:
    """Counts of one split. ``per_class`` counts ``unit``; ``details`` are further numbers by name."""

    name: str
    images: int
    unit: str
    per_class: dict[str, int]
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Report:
    """Findings about one folder. ``faults`` forbid training, ``remarks`` do not.

    ``ready`` are the protocols that will train on it, ``not_ready`` lines on the others of its layout, ``command`` is
    the one for the first of ``ready``.
    """

    root: str
    layout: str
    splits: list[Split] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    ready: list[str] = field(default_factory=list)
    not_ready: list[str] = field(default_factory=list)
    command: str = ""

    def expect_images(self, published: Mapping[str, int], remedy: str) -> None:
        """Make a fault of each split that is missing or has not the published number of images."""
        found = {split.name: split.images for split in self.splits}
        for name, images in published.items():
            if name in found and found[name] != images:
                self.faults.append(f"{self.root}: {name} has {found[name]} images, {images} are published; {remedy}")
            elif name not in found and not self.faults:
                self.faults.append(f"{self.root}: {name} is not there; {remedy}")

    def require_sound(self) -> None:
        """Raise the first fault.

        Raises:
            UserError: There is one.
        """
        if self.faults:
            others = len(self.faults) - 1
            raise UserError(self.faults[0] + (f" (and {others} more, listed above)" if others else ""))

    def verdict(self) -> str:
        """The last line on a sound folder."""
        if self.ready:
            return f"sound; use it with --data {shell_word(str(self.root))}"
        return f"sound, but no shipped protocol takes {self.root} as it is; see what is missing above"

    def as_json(self) -> dict[str, Any]:
        """All of it, for ``--json``."""
        return {"format": 1, "sound": not self.faults, **asdict(self)}

    def lines(self) -> list[str]:
        """The table, then one line per remark, then per fault if there are several."""
        lines = [f"{self.root}: {self.layout}"]
        if self.splits:
            lines.append(self._table() if len(self.splits[0].per_class) <= _MOST_ROWS else self._extremes())
        for split in self.splits:
            details = "".join(f", {value:g} {name}" for name, value in split.details.items())
            lines.append(f"{split.name}: {split.images} images, {len(split.per_class)} classes{details}")
        lines += [f"note: {remark}" for remark in self.remarks]
        lines += [f"ready for {', '.join(self.ready)}"] if self.ready else []
        lines += self.not_ready
        lines += [f"train with {self.command}"] if self.command else []
        if len(self.faults) > 1:
            lines += [f"fault: {fault}" for fault in self.faults[:MOST_NAMES]]
        if (others := len(self.faults) - MOST_NAMES) > 0:
            lines.append(f"fault: and {others} more; --json has them all")
        return lines

    def _table(self) -> str:
        names = dict.fromkeys(name for split in self.splits for name in split.per_class)
        rows = [["class", *(f"{split.name} ({split.unit})" for split in self.splits)]]
        rows += [[name, *(str(split.per_class.get(name, 0)) for split in self.splits)] for name in names]
        first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = []
        for name, *cells in rows:
            counts = (cell.rjust(width) for cell, width in zip(cells, others, strict=True))
            lines.append("  ".join([name.ljust(first), *counts]))
        return "\n".join(lines)

    def _extremes(self) -> str:
        lines = []
        for split in self.splits:
            fewest = min(split.per_class, key=split.per_class.__getitem__)
            most = max(split.per_class, key=split.per_class.__getitem__)
            lines.append(
                f"{split.name}: from {split.per_class[fewest]} {split.unit} ({fewest}) to {split.per_class[most]} "
                f"({most}) per class; --json has them all"
            )
        return "\n".join(lines)
