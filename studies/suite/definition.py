"""What a suite asks for, as its file says it; nothing is looked up and nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from transfer.catalogue import transfers

Options = Mapping[str, Any]  # of a tool, without their dashes


@dataclass(frozen=True)
class Shapes:
    """Rendered images (``backbones.data.shapes``), made when the suite runs."""

    images: int
    size: int
    seed: int
    layouts: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """A folder, or rendered images.

    ``train_images`` is what the plan reckons with: of a transfer always, of a training while the folder is not there.
    """

    path: Path | None = None
    shapes: Shapes | None = None
    train_images: int | None = None


@dataclass(frozen=True)
class TaskSettings:
    """What all rows share in one task; ``protocol`` and ``transfers_per_training`` of a transfer alone."""

    data: Data | None
    options: Options
    protocol: str | None = None
    transfers_per_training: int = 1


@dataclass(frozen=True)
class Import:
    """Weights from elsewhere in place of a training, as ``tools/import_weights.py`` takes them.

    With ``finished``, ``source`` is the file of a bundle, and there is nothing to import.
    """

    source: str
    checkpoint: Path | None = None
    key: str | None = None
    classes: Path | None = None
    finished: bool = False
    top1: float | None = None


@dataclass(frozen=True)
class SuiteRow:
    """One row of the comparison.

    Attributes:
        name: What it is called here; folders are named by it.
        recipe: Of a row that is trained, or "random".
        network: Of a row that is trained or random.
        source: Of a row whose weights are imported.
        teacher: Name of a teacher of the suite, or what ``--teacher`` takes.
        options: Of the training, beyond those of all rows, or in place of them.
        seeds: None: the suite's.
        tasks: Transfers that the row takes part in.
        transfers_per_training: None: the task's.
    """

    name: str
    recipe: str | None = None
    network: str | None = None
    source: Import | None = None
    teacher: str | None = None
    options: Options = field(default_factory=dict)
    seeds: tuple[int, ...] | None = None
    tasks: tuple[str, ...] = field(default_factory=transfers)
    transfers_per_training: int | None = None


@dataclass(frozen=True)
class Expectation:
    """What the mean of a metric over the runs of a row must be, in percent."""

    row: str
    metric: str
    least: float | None
    most: float | None
    said: str


@dataclass(frozen=True)
class Control:
    """A row, and the verdict that it has to have in every task before other rows are begun."""

    row: str
    wanted: str


@dataclass(frozen=True)
class Suite:
    """A study. ``tasks`` by name; without a transfer, top-1 alone is compared. ``jobs``: runs at a time on a CPU.

    ``title`` and ``note`` are the report's headline, and what its readers are to know first.
    """

    path: Path
    seeds: tuple[int, ...]
    rows: tuple[SuiteRow, ...]
    teachers: tuple[SuiteRow, ...]
    tasks: Mapping[str, TaskSettings]
    expected: tuple[Expectation, ...]
    baseline: str | None
    jobs: int
    title: str | None = None
    note: str | None = None
    controls: tuple[Control, ...] = ()

    def with_option(self, name: str, value: Any) -> Suite:
        """The same suite with an option of every run; a row that has it keeps its own."""
        tasks = {
            task: replace(settings, options={**settings.options, name: value}) for task, settings in self.tasks.items()
        }
        return replace(self, tasks=tasks)

    @property
    def name(self) -> str:
        """That of its file."""
        return self.path.stem
