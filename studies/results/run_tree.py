"""A tree of run folders, read and checked: which results there are, and whether they may be compared."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backbones.errors import UserError
from studies.results.comparable import check_comparable
from studies.results.looks_file import read_looks
from studies.results.run_record import Run, read_run
from studies.statistics.looks import Looks


@dataclass(frozen=True)
class RunTree:
    """All runs under ``root``; ``looks`` are those of a study that adds seeds where a verdict is open."""

    root: Path
    finished: list[Run]
    unfinished: list[Run]
    looks: Looks | None = None

    def rows(self) -> dict[tuple[str, str], list[Run]]:
        """Finished runs by (recipe, network), in each row by seed."""
        grouped: dict[tuple[str, str], list[Run]] = {}
        for run in sorted(self.finished, key=lambda run: run.seed):
            grouped.setdefault(run.row, []).append(run)
        return grouped


def read_tree(root: Path) -> RunTree:
    """Find every run folder under ``root``, links followed, and check that the finished runs may be compared.

    Raises:
        UserError: No folder, no finished run, a file that is not what it should be, two runs that claim the same place,
            or runs that were not measured alike.
    """
    tree = find_runs(root)
    check_comparable(tree.finished)
    return tree


def find_runs(root: Path) -> RunTree:
    """Every run folder under ``root``, links followed, whether or not its runs may be compared.

    Raises:
        UserError: No folder, no finished run, or a file that is not what it should be.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; give the folder that holds the runs")
    finished, unfinished = [], []
    for folder, names in _folders(root):
        if "result.json" in names:
            finished.append(read_run(folder / "result.json", finished=True))
        elif "run.json" in names:
            unfinished.append(read_run(folder / "run.json", finished=False))
    if not finished:
        waiting = ", ".join(str(run.path.parent) for run in unfinished)
        state = f"only unfinished ones ({waiting}); continue them with --resume" if waiting else "none"
        raise UserError(f"no finished run under {root}: {state}")
    return RunTree(root, with_present_hashes(finished), unfinished, read_looks(root))


def with_present_hashes(runs: Sequence[Run]) -> list[Run]:
    """Runs of older versions with the hashes of today, where a newer run of the same configuration tells them."""
    present = {
        former: now
        for run in runs
        for key, now in (("config_hash", run.config_hash), ("fixed_hash", run.fixed_hash))
        if (former := run.former_hashes.get(key)) and now
    }

    def renewed(hashed: str | None) -> str | None:
        return present.get(hashed, hashed) if hashed else None

    return [replace(run, config_hash=renewed(run.config_hash), fixed_hash=renewed(run.fixed_hash)) for run in runs]


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder once, in alphabetical order, however many links lead to it."""

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot read {error.filename}: {error.strerror}")

    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders.sort()
        yield Path(folder), names
