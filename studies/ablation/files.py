"""The table of an ablation as Markdown, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import write_bytes, write_json
from backbones.reporting.csv_text import csv_text
from backbones.reporting.markdown import MISSING, code, escape, markdown_table
from backbones.reporting.numbers import half_width, plain, signed
from studies.ablation.table import METRIC, AblationTable, TableRow
from studies.statistics.seeds import CONFIDENCE, Interval

FORMAT = 1
FIELDS = (
    *("row", "recipe", "network", "metric", "n", "seeds", "missing", "mean", "interval_low", "interval_high"),
    *("reference", "difference", "pairs", "difference_low", "difference_high"),
    *("paper", "paper_difference", "paper_network"),
)


def as_markdown(table: AblationTable) -> str:
    """Title, table and notes; the columns are straight as plain text too."""
    header = ["row", *(f"seed {seed}" for seed in table.seeds), "top-1", "n", "Δ"]
    if table.paper_network:
        header += [f"paper ({table.paper_network})", "paper Δ"]
    lines = [header, *(_line(table, row) for row in table.rows)]
    escaped_header, *rows = [[escape(cell) for cell in line] for line in lines]
    notes = [*map(escape, table.notes), f"made by {code(table.command)}"]
    parts = [f"# Ablation: {escape(table.network)}", "", markdown_table(escaped_header, rows)]
    return "\n".join([*parts, "", *(f"- {note}" for note in notes), ""])


def as_csv(table: AblationTable) -> str:
    """One line per row, with ``FIELDS``; what is not known is empty."""
    records = [_record(table, row) for row in table.rows]
    return csv_text(FIELDS, ([record[field] for field in FIELDS] for record in records))


def as_json(table: AblationTable) -> dict[str, Any]:
    """Everything, every seed's value included."""
    return {"format": FORMAT, "metric": METRIC, "confidence": CONFIDENCE, **json.loads(json.dumps(asdict(table)))}


def write_table(table: AblationTable, out: Path) -> Path:
    """Write ablation.json, ablation.csv and, last, ablation.md, each atomically; returns the path of the last.

    Raises:
        UserError: The folder cannot be written to.
    """
    try:
        write_json(out / "ablation.json", as_json(table))
        write_bytes(out / "ablation.csv", as_csv(table).encode())
        write_bytes(out / "ablation.md", as_markdown(table).encode())
    except OSError as error:
        raise UserError(f"cannot write the table to {out}: {error.strerror or error}; choose another --out") from error
    return out / "ablation.md"


def _line(table: AblationTable, row: TableRow) -> list[str]:
    cells = [row.label, *_seeds(table, row), _with_interval(plain(row.mean), row.interval), str(len(row.values))]
    difference = MISSING
    if row.difference:
        difference = _with_interval(signed(row.difference.value), row.difference.interval)
        if row.difference.pairs < len(row.values):
            difference += f" (n={row.difference.pairs})"
    cells.append(difference)
    if table.paper_network:
        cells += [plain(row.paper), signed(row.paper_difference)]
    return cells


def _seeds(table: AblationTable, row: TableRow) -> Iterator[str]:
    for seed in table.seeds:
        if seed in row.values:
            yield plain(row.values[seed])
        else:
            yield row.missing[seed].partition(":")[0]


def _with_interval(text: str, interval: Interval | None) -> str:
    return text if interval is None else f"{text} ± {half_width(interval)}"


def _record(table: AblationTable, row: TableRow) -> dict[str, Any]:
    low, high = row.interval or (None, None)
    difference = row.difference
    difference_low, difference_high = (difference and difference.interval) or (None, None)
    return {
        "row": row.label,
        "recipe": row.recipe,
        "network": table.network,
        "metric": METRIC,
        "n": len(row.values),
        "seeds": " ".join(map(str, row.values)),
        "missing": " ".join(map(str, row.missing)),
        "mean": row.mean,
        "interval_low": low,
        "interval_high": high,
        "reference": row.reference,
        "difference": difference and difference.value,
        "pairs": difference and difference.pairs,
        "difference_low": difference_low,
        "difference_high": difference_high,
        "paper": row.paper,
        "paper_difference": row.paper_difference,
        "paper_network": None if row.paper is None else table.paper_network,
    }
