"""``report/index.html`` and ``report/tables.tex`` of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from backbones.files import write_bytes
from studies.comparison.compare import Comparison, check_comparison
from studies.report import words
from studies.report.answer import answer, not_compared
from studies.report.costs import costs
from studies.report.figures.curves import training_curves
from studies.report.figures.differences import difference_bars
from studies.report.figures.per_class import per_class
from studies.report.figures.scatter import scatter
from studies.report.latex import as_latex
from studies.report.marks import cell_marks
from studies.report.page_rows import PageRow, page_rows
from studies.report.proofs import proofs
from studies.report.records import Records, read_records
from studies.report.samples.choice import samples
from studies.report.samples.images import SHARES
from studies.results.paper import setting
from studies.statistics.seeds import CONFIDENCE
from studies.statistics.verdict import OUTCOMES, PAPER_OUTCOMES
from transfer.catalogue import TASKS, further_names, metric_names, questions, task_of, transfers

TEMPLATES = Path(__file__).with_name("templates")
PAGE, LATEX = "index.html", "tables.tex"
TITLE = "Does the gain carry over?"


def write_page(
    comparison: Comparison, folder: str | Path | None = None, title: str | None = None, with_images: bool = True
) -> Path:
    """Write both files; returns the path of the page.

    Args:
        comparison: What to show.
        folder: That of the other forms of the report; None takes ``report`` in the compared folder, as they do.
        title: Of the page.
        with_images: Whether images of the data sets may be on it.

    Raises:
        UserError: A file cannot be written, a run's per-image results are damaged, or it is given something else than a
            comparison.
    """
    check_comparison("write_page", comparison)
    folder = comparison.root / "report" if folder is None else Path(folder)
    records = read_records(comparison)
    rows = page_rows(comparison, records)
    page = render(comparison, records, rows, title or TITLE, with_images)
    write_bytes(folder / LATEX, as_latex(comparison, rows).encode())
    write_bytes(folder / PAGE, page.encode())
    return folder / PAGE


def render(
    comparison: Comparison, records: Records, rows: Sequence[PageRow], title: str, with_images: bool = True
) -> str:
    """The page as text: one file that loads nothing."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        number=words.number,
        interval=words.interval,
        plain=words.plain,
        include_raw=lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8")),
        cell_marks=cell_marks,
        outcomes=(*OUTCOMES, *PAPER_OUTCOMES),
        task_of=task_of,
    )
    figures = {
        "scatters": {metric: scatter(comparison, metric) for metric in questions().values()},
        "bars": {metric: difference_bars(comparison, metric) for metric in (*questions().values(), "pixel_accuracy")},
        "curves": training_curves(comparison, records),
        "classes": per_class(comparison, records),
        "samples": samples(comparison, records, with_images),
    }
    return environment.get_template("index.html.j2").render(
        title=title, comparison=comparison, rows=rows, records=records, **figures, **_facts(comparison, records)
    )


def _facts(comparison: Comparison, records: Records) -> dict[str, Any]:
    warnings = [note for note in comparison.notes if note in comparison.remarks or note.startswith("NOT ")]
    names = [words.label(row, comparison.rows) for row in comparison.rows]
    name_of = {row.name: name for row, name in zip(comparison.rows, names, strict=True)}
    return {
        "names": names,
        "name_of": name_of,
        "baseline": words.unbroken(name_of.get(comparison.baseline, comparison.baseline)),
        "not_compared": {metric: not_compared(comparison, metric) for metric in metric_names()},
        "answer": answer(comparison),
        "tables": {task: TASKS[task] for task in transfers() if TASKS[task].table},
        "metric_names": metric_names() | further_names(),
        "warnings": warnings,
        "notes": [note for note in comparison.notes if note not in warnings],
        "proofs": proofs(comparison, records),
        "costs": costs(comparison, records),
        "setting": setting(),
        "networks": sorted({row.network for row in comparison.rows}),
        "confidence": f"{CONFIDENCE * 100:.0f} %",
        "share_colors": SHARES,
        "made": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commands": partial(_commands, records),
    }


def _commands(records: Records, row: PageRow) -> list[tuple[str, str, str]]:
    """Task and seed, folder and command of every run of a row, unfinished ones too."""
    found = []
    for state, runs in (("", records.finished), (", unfinished", records.unfinished)):
        for each in runs:
            mine = each in row.waiting if row.row is None else each.run.row == (row.row.recipe, row.row.network)
            if mine:
                tuned = "tuned " if each.run.tuned else ""
                what = f"{tuned}{each.run.task}, seed {each.run.seed}{state}"
                found.append((what, each.folder, each.find("command", str) or "not recorded"))
    return sorted(found)
