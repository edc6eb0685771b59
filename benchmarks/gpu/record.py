"""``docs/gpu.json``: by the name of the GPU, what each step has found there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import read_json, write_json

FORMAT = 1
MEASURED, UNFINISHED, FAILED = "measured", "unfinished", "failed"
Entry = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """The file, and the part of it that is about one GPU. Every change is on the disk when its method returns."""

    path: Path
    gpu: str

    def machines(self) -> dict[str, dict[str, Entry]]:
        """All that is known, by GPU and step.

        Raises:
            UserError: The file cannot be read, or is another one.
        """
        return read_machines(self.path)

    def entry(self, step: str) -> Entry | None:
        """What is known of a step on this GPU."""
        return self.machines().get(self.gpu, {}).get(step)

    def is_measured(self, step: str) -> bool:
        """Whether nothing of it is left to do here."""
        return (self.entry(step) or {}).get("status") == MEASURED

    def write(self, step: str, entry: Entry) -> None:
        """Put an entry in the place of the step's former one."""
        machines = self.machines()
        machines.setdefault(self.gpu, {})[step] = entry
        write_json(self.path, {"format": FORMAT, "machines": machines})


def read_machines(path: Path) -> dict[str, dict[str, Entry]]:
    """As ``Record.machines``; empty where there is no file."""
    if not path.exists():
        return {}
    content = read_json(path)
    if (
        not isinstance(content, dict)
        or content.get("format") != FORMAT
        or not isinstance(content.get("machines"), dict)
    ):
        raise UserError(f"{path} is not a file of python -m benchmarks.gpu; give another folder with --out")
    return content["machines"]
