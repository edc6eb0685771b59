"""All simulations into a JSON file, and the document that is made of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from backbones.errors import UserError
from backbones.files import read_json, write_bytes, write_json
from studies.simulation.adaptive import adaptive_part
from studies.simulation.document import FORMAT, simulation_document
from studies.simulation.errors import error_table
from studies.simulation.found import equal_precision_table, power_table
from studies.simulation.images import coverage_table
from studies.simulation.nested_rows import nested_table
from studies.simulation.spending.designs import design_tables
from studies.simulation.spending.hours import hours_of
from studies.simulation.spending.planned_seeds import planned_table
from studies.suite.commands import Parsers

JSON, DOCUMENT = "simulations.json", "simulations.md"


@dataclass(frozen=True)
class SimulationEffort:
    """How many studies.

    Attributes:
        studies: Of each line on errors and power.
        designs: Of each design.
        planned: Whose undecided rows are planned for, of each metric and case.
        nested: Of nested rows.
        adaptive: That are looked at several times, of each line.
        test_sets: With intervals over their images, of each size.
        further_test_sets: For the truth that those are to hold.
    """

    studies: int = 20_000
    designs: int = 10_000
    planned: int = 200
    nested: int = 5_000
    adaptive: int = 10_000
    test_sets: int = 300
    further_test_sets: int = 100


QUICK = SimulationEffort(
    studies=1_000, designs=200, planned=5, nested=200, adaptive=40, test_sets=5, further_test_sets=5
)


def simulate_to_files(folder: Path, effort: SimulationEffort, command: str, parsers: Parsers) -> Path:
    """Simulate, write both files into a folder, and return the document's path.

    Args:
        folder: Made where it is not there.
        effort: How many studies.
        command: That gives these files.
        parsers: Of the tools, by task, for the hours of the shipped suites.
    """
    began = time.monotonic()
    result = {
        "format": FORMAT,
        "command": command,
        "effort": asdict(effort),
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
        **{name: simulate() for name, simulate in _simulations(effort, parsers).items()},
        "adaptive": adaptive_part(effort.adaptive, command),
    }
    result["seconds"] = round(time.monotonic() - began)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / JSON, result)
    return document_again(folder)


def simulate_adaptive(folder: Path, effort: SimulationEffort, command: str) -> Path:
    """Simulate adaptive studies alone, beside the other numbers that are in a folder, and write the document again.

    Raises:
        UserError: There are no others.
    """
    result = _known(folder)
    write_json(folder / JSON, {**result, "adaptive": adaptive_part(effort.adaptive, command)})
    return document_again(folder)


def document_again(folder: Path) -> Path:
    """Write the document from the numbers in a folder; its path.

    Raises:
        UserError: They are not there, or of another version.
    """
    write_bytes(folder / DOCUMENT, simulation_document(_known(folder), JSON).encode())
    return folder / DOCUMENT


def _known(folder: Path) -> dict[str, Any]:
    path = folder / JSON
    result = read_json(path)
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise UserError(f"{path} is no result of tools/simulate_statistics.py in format {FORMAT}; run it to write one")
    return result


def _simulations(effort: SimulationEffort, parsers: Parsers) -> dict[str, Callable[[], Any]]:
    return {
        "errors": lambda: error_table(effort.studies),
        "power": lambda: power_table(effort.studies),
        "equal precision": lambda: equal_precision_table(effort.studies),
        "designs": lambda: design_tables(
            hours_of("section6", parsers), hours_of("section6-fpn", parsers), effort.designs
        ),
        "images": lambda: coverage_table(effort.test_sets, effort.further_test_sets),
        "planned": lambda: planned_table(effort.planned),
        "nested": lambda: nested_table(effort.nested),
    }
