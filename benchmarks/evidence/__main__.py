"""Write the page of results and its figures from the result files in a folder.

python -m benchmarks.evidence docs/results
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backbones.cli.command import CommandParser, run_command
from backbones.errors import UserError
from backbones.files import write_bytes
from benchmarks.evidence.figures import against_top1, differences, seeds_by_row
from benchmarks.evidence.page import FIGURES, INSTRUMENTS, METRICS, STUDY, page
from benchmarks.evidence.rows import read_found
from benchmarks.harness.drawing import svg
from studies.statistics.verdict import MARGIN


def main(words: Sequence[str] | None = None) -> None:
    """Write README.md and the figures."""
    parser = CommandParser(description=(__doc__ or "").partition("\n\n")[0], prog="benchmarks.evidence")
    parser.add_argument("folder", type=Path, help=f"holds {STUDY}/comparison.json and {INSTRUMENTS}")
    folder = parser.parse_args(words).folder
    for name in (f"{STUDY}/comparison.json", INSTRUMENTS):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: no such file; tools/compare.py --out writes a study's")
    panels = [(name, read_found(folder / STUDY, metric)) for metric, name in METRICS.items()]
    figures = {"seeds": seeds_by_row(panels), "differences": differences(panels, MARGIN), "top1": against_top1(panels)}
    for key, figure in figures.items():
        write_bytes(folder / FIGURES[key], svg(figure))
    write_bytes(folder / "README.md", page(folder).encode())
    print(f"written: {folder / 'README.md'} and {len(figures)} figures")


if __name__ == "__main__":
    run_command(main)
