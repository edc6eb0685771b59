"""``report/index.html`` and ``report/tables.tex`` of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from backbones.files import as_bytes, write_bytes
from studies.comparison.compare import Comparison, check_comparison
from studies.report import words
from studies.report.answer import answer, not_compared
from studies.report.costs import costs
from studies.report.figures.curves import training_curves
from studies.report.figures.differences import difference_bars
from studies.report.figures.hero import hero
from studies.report.figures.per_class import per_class
from studies.report.figures.scatter import relation, scatter
from studies.report.forms.latex import as_latex
from studies.report.forms.records import Records, read_records
from studies.report.front.cards import cards
from studies.report.front.controls import controls
from studies.report.front.dateline import dateline, measured_on
from studies.report.front.finding import finding
from studies.report.front.next_steps import next_steps
from studies.report.front.setting_names import name_settings
from studies.report.front.zoo import asked_correlations
from studies.report.marks import cell_marks
from studies.report.page_rows import PageRow, page_rows
from studies.report.proofs import proofs, seal
from studies.report.samples.choice import samples
from studies.report.samples.images import SHARES
from studies.results.paper import setting
from studies.statistics.seeds import CONFIDENCE
from studies.statistics.verdict import OUTCOMES, PAPER_OUTCOMES
from transfer.catalogue import TASKS, further_names, metric_names, questions, task_of, transfers

TEMPLATES = Path(__file__).with_name("templates")
PAGE, LATEX = "index.html", "tables.tex"
MOST_LINES = 60  # of the table of all numbers
SECTIONS = {
    "samples": "Samples",
    "tables": "Tables",
    "figures": "Figures",
    "learning": "Training",
    "classes": "Classes",
    "all": "All numbers",
    "proof": "Proof",
    "cost": "Cost",
    "reproduce": "Commands",
    "notes": "Notes",
}


@dataclass(frozen=True)
class PageStudy:
    """One comparison of the page: what it holds, its name, what its anchors begin with, and the folder of its files."""

    comparison: Comparison
    records: Records
    rows: Sequence[PageRow]
    name: str
    at: str
    folder: str


def write_page(
    comparison: Comparison,
    folder: str | Path | None = None,
    title: str | None = None,
    with_images: bool = True,
    seeds_command: str | None = None,
) -> Path:
    """Write both files; returns the path of the page.

    Args:
        comparison: What to show.
        folder: That of the other forms of the report; None takes ``report`` in the compared folder, as they do.
        title: Of the study; it stands above the headline, which is the finding.
        with_images: Whether images of the data sets may be on it.
        seeds_command: That a suite is continued by, up to and with ``--seeds``: for what is undecided.

    Raises:
        UserError: A file cannot be written, a run's per-image results are damaged, or it is given something else than a
            comparison.
    """
    check_comparison("write_page", comparison)
    return write_pages([comparison], folder, title, with_images, seeds_command)


def write_pages(
    comparisons: Sequence[Comparison],
    folder: str | Path | None = None,
    title: str | None = None,
    with_images: bool = True,
    seeds_command: str | None = None,
) -> Path:
    """``write_page`` of the settings of a tree: one page with a section each; the first one's tables lie beside it.

    Raises:
        UserError: See ``write_page``.
    """
    folder = comparisons[0].root / "report" if folder is None else Path(folder)
    studies = read_studies(comparisons)
    page = render(studies, title, with_images, seeds_command)
    for study in studies:
        write_bytes(folder / study.folder / LATEX, as_bytes(as_latex(study.comparison, study.rows)))
    write_bytes(folder / PAGE, as_bytes(page))
    return folder / PAGE


def read_studies(comparisons: Sequence[Comparison]) -> list[PageStudy]:
    """What the page needs of each comparison.

    Raises:
        UserError: A file has disappeared since the comparison was made.
    """
    records = [read_records(comparison) for comparison in comparisons]
    names = name_settings(records)
    return [
        PageStudy(
            comparison, found, page_rows(comparison, found), name.words, f"s{place + 1}-" * (place > 0), name.folder
        )
        for place, (comparison, found, name) in enumerate(zip(comparisons, records, names, strict=True))
    ]


def render(
    studies: Sequence[PageStudy], title: str | None, with_images: bool = True, seeds_command: str | None = None
) -> str:
    """The page as text: one file that loads nothing."""
    templates = _environment()
    parts = []
    for study in studies:
        content = _content(study, with_images)
        content["next"] = next_steps(study.comparison, study.records, seeds_command)
        names = ("opening.html.j2", "study.html.j2")
        parts.append([Markup(templates.get_template(name).render(content)) for name in names])
    findings = [finding(study.comparison) for study in studies]
    return templates.get_template("index.html.j2").render(
        title=title,
        headline=findings[0] if len(studies) == 1 else f"The same question in {len(studies)} settings",
        studies=list(zip(studies, findings, parts, strict=True)),
        counted=_counted(studies),
        unfinished=sum(len(study.records.unfinished) for study in studies),
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _environment() -> Environment:
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
        unbroken_headline=words.headline,
        include_raw=lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8")),
        cell_marks=cell_marks,
        outcomes=(*OUTCOMES, *PAPER_OUTCOMES),
        task_of=task_of,
    )
    return environment


def _counted(studies: Sequence[PageStudy]) -> str:
    rows = len({row.name for study in studies for row in study.comparison.rows})
    runs = len({each.folder for study in studies for each in study.records.finished})
    return f"comparison of {rows} row{'s' * (rows != 1)}, {runs} finished run{'s' * (runs != 1)}"


def _content(study: PageStudy, with_images: bool) -> dict[str, Any]:
    comparison, records = study.comparison, study.records
    return {
        "comparison": comparison,
        "rows": study.rows,
        "records": records,
        "at": study.at,
        "any_paper": any(row.paper for row in study.rows),
        "too_many": _too_many(comparison),
        "label": f", {study.name}" if study.name else "",
        "folder": f"{study.folder}/" if study.folder else "",
        **_facts(comparison, records),
        **_figures(comparison, records, with_images, study.at),
    }


def _too_many(comparison: Comparison) -> int | None:
    """Lines of the table of all numbers, where these are more than a page should have."""
    lines = sum(len(row.cells) for row in comparison.rows)
    lines += sum(len(row.cells) for task in comparison.tuned for row in task.rows)
    return lines if lines > MOST_LINES else None


def _figures(comparison: Comparison, records: Records, with_images: bool, at: str) -> dict[str, Any]:
    return {
        "hero": hero(comparison),
        "relations": _relations(comparison),
        "scatters": {metric: scatter(comparison, metric) for metric in questions().values()},
        "bars": {metric: difference_bars(comparison, metric) for metric in (*questions().values(), "pixel_accuracy")},
        "curves": training_curves(comparison, records),
        "classes": per_class(comparison, records),
        "samples": samples(comparison, records, with_images, at),
    }


def _relations(comparison: Comparison) -> list[dict[str, Any]]:
    """Of many rows, the front's panels."""
    found = []
    for each in asked_correlations(comparison):
        picture, fit = relation(comparison, each.metric)
        found.append({"name": metric_names()[each.metric], "picture": picture, "fit": fit})
    return found


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
        "cards": cards(comparison),
        "controls": controls(comparison),
        "dateline": dateline(comparison, records, datetime.now(timezone.utc)),
        "measured": {task: measured_on(records.finished, task) for task in TASKS},
        "seal": seal(records),
        "has_paper": any(
            cell.paper and cell.paper.difference for row in comparison.rows for cell in row.cells.values()
        ),
        "sections": SECTIONS.items(),
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
