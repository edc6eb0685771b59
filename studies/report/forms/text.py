"""A comparison as text, Markdown and JSON, and the files that hold it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import as_bytes, write_bytes, write_json
from backbones.reporting.markdown import MISSING, escape, markdown_table
from backbones.reporting.numbers import half_width, plain, signed
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison, check_comparison
from studies.comparison.tuned_arm import TunedTask
from studies.report.answer import plain_answer
from studies.report.forms.csv_lines import as_csv
from studies.report.forms.grids import Grid, statistics_sections
from studies.report.front.finding import finding
from studies.report.noise_tables import noise_sections
from studies.report.terminal.table import WIDTH, text_table, wrapped
from studies.results.paper import setting
from studies.statistics.seeds import CONFIDENCE, PAIRED
from transfer.catalogue import further_names, metric_names

FORMAT = 2
INDENT = "  "  # of the lines that belong to the row above
FURTHER_TITLE = "further metrics"


def as_text(comparison: Comparison, width: int = WIDTH) -> str:
    """For a terminal: the answer, aligned columns, statistics, the tuned arm and the notes.

    Args:
        comparison: What to show.
        width: Of a line, in characters; a table that is wider goes on below, with its names again.

    Raises:
        UserError: It is given something else than a comparison.
    """
    check_comparison("as_text", comparison)
    return "\n".join(text_parts(comparison, width))


def text_parts(comparison: Comparison, width: int = WIDTH) -> tuple[str, str]:
    """``as_text`` in two: answer and tables, and the notes."""
    parts = [*wrapped(plain_answer(comparison), width), "", *text_table(_grid(comparison, metric_names()), width)]
    for title, grid in _sections(comparison):
        parts += ["", title, "", *text_table(grid, width)]
    notes = [*wrapped(comparison.notes, width), *wrapped(_unfinished(comparison), width)]
    return "\n".join(parts), "\n".join(notes)


def _sections(comparison: Comparison) -> Iterator[tuple[str, Grid]]:
    """What there is below the table of all rows: titles and grids."""
    if further := _further(comparison):
        yield FURTHER_TITLE, _grid(comparison, further)
    yield from statistics_sections(comparison)
    yield from noise_sections(comparison)
    for task in comparison.tuned:
        yield _tuned_title(task), _tuned_grid(task, comparison.baseline)


def as_markdown(comparison: Comparison) -> str:
    """The same as ``as_text``, in Markdown."""
    answers = [f"**{escape(finding(comparison))}.**", *map(escape, plain_answer(comparison))]
    parts = ["# Comparison", "", *[f"{sentence}\n" for sentence in answers]]
    parts += [_markdown_table(_grid(comparison, metric_names())), ""]
    sections = list(_sections(comparison))
    for title, grid in sections:
        parts += [f"## {title[0].upper()}{title[1:]}", "", _markdown_table(grid), ""]
    if sections:
        parts += ["## Notes", ""]
    parts += [f"- {escape(note)}" for note in comparison.notes]
    if comparison.unfinished:
        parts += ["", "## Unfinished runs", "", *[f"- {escape(run)}" for run in comparison.unfinished]]
    return "\n".join(parts) + "\n"


def _markdown_table(grid: Grid) -> str:
    header, *lines = [[escape(cell) for cell in line] for line in grid]
    for line in lines:
        line[0] = f"*{line[0].strip()}*" if line[0].startswith(INDENT) else f"**{line[0]}**"
    return markdown_table(header, lines)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The full structure, every seed's value included; "tuned" is there when there are tuned runs."""
    hidden = {"root", "tree"} if comparison.tuned else {"root", "tree", "tuned"}
    return {
        "format": FORMAT,
        "confidence": CONFIDENCE,
        "paper": setting(),
        "metrics": metric_names() | _further(comparison),
        **{key: value for key, value in asdict(comparison).items() if key not in hidden},
    }


def write_report(comparison: Comparison, out: str | Path | None = None) -> Path:
    """Write comparison.json, comparison.csv and comparison.md; returns the path of the last, which is written last.

    Args:
        comparison: What to write.
        out: Folder; None takes ``report`` in the compared folder.

    Raises:
        UserError: The folder cannot be written to, or it is given something else than a comparison.
    """
    check_comparison("write_report", comparison)
    folder = comparison.root / "report" if out is None else Path(out)
    try:
        write_json(folder / "comparison.json", as_json(comparison))
        write_bytes(folder / "comparison.csv", as_bytes(as_csv(comparison)))
        write_bytes(folder / "comparison.md", as_bytes(as_markdown(comparison)))
    except OSError as error:
        raise UserError(
            f"cannot write the report to {folder}: {error.strerror or error}; choose another --out"
        ) from error
    return folder / "comparison.md"


def _further(comparison: Comparison) -> dict[str, str]:
    """The further metrics that some run has, with the names that the tables show."""
    return {metric: name for metric, name in further_names().items() if metric in comparison.rows[0].cells}


def _grid(comparison: Comparison, metrics: Mapping[str, str]) -> Grid:
    """Header, then per row a line of values, and where there is something to say lines of ±, n and the paper."""
    header = ["row"]
    for name in metrics.values():
        header += [name, "Δ"]
    shown = {row.name: [row.cells[metric] for metric in metrics] for row in comparison.rows}
    seeds = _several_seeds(shown.values())
    lines = [header]
    for row in comparison.rows:
        cells = shown[row.name]
        lines += _row_lines(row.name, cells, row.name == comparison.baseline, seeds)
        if row.paper_network and any(cell.paper for cell in cells):
            lines.append(_line(f"{INDENT}paper", [_paper(cell) for cell in cells]))
    return lines


def _tuned_grid(task: TunedTask, baseline: str) -> Grid:
    """As ``_grid``, with the size of each row's search and without the paper."""
    header = ["row", "best of"]
    for metric in task.rows[0].cells:
        header += [(metric_names() | further_names())[metric], "Δ"]
    seeds = _several_seeds(row.cells.values() for row in task.rows)
    lines = [header]
    for row in task.rows:
        searches = [", ".join(map(str, row.searches)) or MISSING]
        for name, *rest in _row_lines(row.name, list(row.cells.values()), row.name == baseline, seeds):
            lines.append([name, *searches, *rest])
            searches = [""]
    return lines


def _tuned_title(task: TunedTask) -> str:
    """Task and size of the search, or the range of the sizes."""
    sizes = sorted({size for row in task.rows for size in row.searches})
    return f"{task.task}, tuned: best of {' to '.join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))}"


def _several_seeds(rows: Iterable[Iterable[Cell]]) -> bool:
    return any(cell.n > 1 for row in rows for cell in row)


def _row_lines(name: str, cells: Sequence[Cell], is_baseline: bool, seeds: bool) -> Grid:
    lines = [_line(name, [_values(cell, is_baseline) for cell in cells])]
    if any(_has_interval(cell) for cell in cells):
        lines.append(_line(f"{INDENT}± seeds", [_intervals(cell) for cell in cells]))
    if any(cell.image_interval for cell in cells):
        lines.append(_line(f"{INDENT}± images", [_image_intervals(cell) for cell in cells]))
    if seeds:
        lines.append(_line(f"{INDENT}n", [_counts(cell) for cell in cells]))
    return lines


def _line(name: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [name, *[text for pair in pairs for text in pair]]


def _values(cell: Cell, is_baseline: bool) -> tuple[str, str]:
    value = plain(cell.mean)
    if cell.difference is not None:
        return value, signed(cell.difference.value)
    return value, "base" if is_baseline and cell.mean is not None else MISSING


def _has_interval(cell: Cell) -> bool:
    return cell.interval is not None or (cell.difference is not None and cell.difference.interval is not None)


def _intervals(cell: Cell) -> tuple[str, str]:
    return half_width(cell.interval), half_width(cell.difference.interval if cell.difference else None)


def _image_intervals(cell: Cell) -> tuple[str, str]:
    return half_width(cell.image_interval), half_width(cell.difference.image_interval if cell.difference else None)


def _counts(cell: Cell) -> tuple[str, str]:
    if not cell.difference:
        return str(cell.n) if cell.n else MISSING, MISSING
    row, baseline = cell.difference.n
    return str(cell.n), f"{row} pairs" if cell.difference.test == PAIRED else f"{row}+{baseline}"


def _paper(cell: Cell) -> tuple[str, str]:
    if cell.paper is None:
        return MISSING, MISSING
    return plain(cell.paper.value), signed(cell.paper.difference)


def _unfinished(comparison: Comparison) -> list[str]:
    return [f"unfinished: {run}" for run in comparison.unfinished]
