"""Tables 8 and 9, the paper's numbers beside ours, in LaTeX with booktabs."""

from __future__ import annotations

from collections.abc import Sequence

from backbones.errors import not_none
from backbones.reporting.numbers import plain, signed
from backbones.reporting.printable import printable
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison
from studies.report.forms.grids import verdict_words
from studies.report.page_rows import PageRow
from studies.results.paper import setting
from studies.statistics.power import POWER
from studies.statistics.seeds import CONFIDENCE, LEAST_PAIRS, SIGNIFICANCE, Interval
from studies.statistics.verdict import Verdict
from transfer.catalogue import TASKS, metric_names, transfers

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
_NONE = "--"


def escape(text: str) -> str:
    """Text as LaTeX prints it; what it would take for a command is written out."""
    return "".join(_ESCAPES.get(character, character) for character in printable(text))


def as_latex(comparison: Comparison, rows: Sequence[PageRow]) -> str:
    r"""A file for ``\input``; it needs ``\usepackage{booktabs}``."""
    head = f"% Made by tools/compare.py. Needs \\usepackage{{booktabs}}. Paper: {escape(setting())}."
    return "\n\n".join([head, *(_table(task, comparison, rows) for task in transfers() if TASKS[task].table)]) + "\n"


def _legend() -> str:
    """What the words of the verdicts mean, for below the table."""
    percent = f"{CONFIDENCE * 100:.0f}\\,\\%"
    return (
        f"$\\Delta$ differs: two-sided $p \\le {SIGNIFICANCE:g}$ over seeds (Welch's $t$ test, paired from "
        f"{LEAST_PAIRS} seeds in common on), after Holm's correction over the rows. Carries over, reverses: it differs "
        "in the direction of top-1, or in the other. Same sign, opposite: it differs in the direction of the paper's "
        f"$\\Delta$, or in the other; its size is compatible where the {percent} interval holds the paper's. No "
        f"difference: that interval lies within the margin in brackets. Undecided: none of these; seeds that would "
        f"decide in {POWER * 100:.0f}\\,\\% of studies."
    )


def _table(task: str, comparison: Comparison, rows: Sequence[PageRow]) -> str:
    table, question = not_none(TASKS[task].table), not_none(TASKS[task].question)
    count = len(table.metrics)
    names = " & ".join(escape(metric_names()[metric]) for metric in table.metrics)
    lines = [_line(task, row) for row in rows]
    missing = "" if comparison.baseline_row else ", of which no run is finished"
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{Table {table.number} of arXiv:1812.01187, and these runs. $\\Delta$: difference in "
            f"{escape(metric_names()[question])} from {escape(comparison.baseline)}{missing}, with the "
            f"{CONFIDENCE * 100:.0f}\\,\\% interval over seeds.}}",
            f"  \\begin{{tabular}}{{l{'r' * (count + 1)}{'r' * (count + 3)}ll}}",
            r"    \toprule",
            f"    & \\multicolumn{{{count + 1}}}{{c}}{{paper}} & \\multicolumn{{{count + 5}}}{{c}}{{these runs}} \\\\",
            f"    \\cmidrule(lr){{2-{count + 2}}} \\cmidrule(lr){{{count + 3}-{2 * count + 7}}}",
            f"    row & {names} & $\\Delta$ & {names} & $n$ & $\\Delta$ & interval & verdict & beside the paper \\\\",
            r"    \midrule",
            *lines,
            r"    \bottomrule",
            r"  \end{tabular}",
            f"  \\par\\smallskip{{\\footnotesize {_legend()}}}",
            r"\end{table}",
        ]
    )


def _line(task: str, row: PageRow) -> str:
    table, question = not_none(TASKS[task].table), not_none(TASKS[task].question)
    cell = row.row.cells[question] if row.row else None
    paper = [_number(row.paper.get(metric)) for metric in table.metrics]
    paper.append(_signed(row.gains.get(question)))
    ours = [_number(row.row.cells[metric].mean if row.row else None) for metric in table.metrics]
    words = [escape(row.name), *paper, *ours, *_comparison(cell)]
    if words[-2] == _NONE:
        words[-2] = escape("; ".join(mark.text for mark in row.marks[task])) or _NONE
    return f"    {' & '.join(words)} \\\\"


def _comparison(cell: Cell | None) -> list[str]:
    if cell is None or cell.difference is None:
        return [str(cell.n) if cell and cell.n else _NONE, *[_NONE] * 4]
    verdicts = [_verdict(cell.verdict), _verdict(cell.paper_verdict)]
    return [str(cell.n), _signed(cell.difference.value), _interval(cell.difference.interval), *verdicts]


def _verdict(verdict: Verdict | None) -> str:
    return _NONE if verdict is None else escape(verdict_words(verdict)).replace("±", r"$\pm$")


def _number(value: float | None) -> str:
    return _NONE if value is None else plain(value)


def _signed(value: float | None) -> str:
    return _NONE if value is None else f"${signed(value)}$"


def _interval(ends: Interval | None) -> str:
    return _NONE if ends is None else f"[{_signed(ends[0])}, {_signed(ends[1])}]"
