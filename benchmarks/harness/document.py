"""``docs/performance.md``: the text of the template and of each benchmark, with the tables of what was found."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbones.reporting.markdown import markdown_table
from benchmarks.harness.findings import Aim, Findings, Ratio, SideBySide, findings_from_json
from benchmarks.harness.registry import load, names

TEMPLATE = Path(__file__).with_name("performance.md")
_SUMMARY, _SECTIONS = "{{summary}}", "{{benchmarks}}"


def document(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole document; ``entries`` as in ``performance.json``. A benchmark without an entry is left out."""
    found = {name: findings_from_json(entries[name]) for name in names() if name in entries}
    sections = "\n\n".join(_section(name, entries[name], findings) for name, findings in found.items())
    text = TEMPLATE.read_text(encoding="utf-8").replace(_SUMMARY, _summary(found))
    return text.replace(_SECTIONS, sections)


def picture_name(name: str) -> str:
    """The file beside the document with a benchmark's picture."""
    return f"performance_{name}.svg"


def describe(found: Findings) -> str:
    """All tables."""
    blocks = [_comparison_text(comparison) for comparison in found.comparisons]
    if found.figures:
        columns = list(dict.fromkeys(column for line in found.figures.values() for column in line))
        rows = [[name, *(_number(line.get(column)) for column in columns)] for name, line in found.figures.items()]
        blocks.append(markdown_table(["", *columns], rows))
    return "\n\n".join(blocks)


def _summary(found: Mapping[str, Findings]) -> str:
    """Every ratio that has an aim."""
    rows = [
        [f"{_subject(name)}: {comparison.title}; {aim.contender} / {aim.against}", *_judged(comparison, aim)]
        for name, findings in found.items()
        for comparison in findings.comparisons
        for aim in comparison.aims
    ]
    return markdown_table(["", "times as fast", "aim", ""], rows)


def _subject(name: str) -> str:
    return load(name).TITLE.partition(",")[0]


def _section(name: str, entry: Mapping[str, Any], found: Findings) -> str:
    module = load(name)
    machine = entry["hardware"]
    versions = ", ".join(f"{package} {version}" for package, version in entry["versions"].items())
    where = (
        f"`{entry['command']}` on {entry['date']}, {entry['seconds']:.0f} s, on {machine['name']} with "
        f"{machine['cpus']} CPUs at a load of {machine['load']}; {versions}."
    )
    blocks = [f"## {module.TITLE}", inspect.getdoc(module) or "", describe(found)]
    if hasattr(module, "draw"):
        blocks.append(f"![{module.TITLE}]({picture_name(name)})")
    return "\n\n".join([*blocks, where])


def _comparison_text(comparison: SideBySide) -> str:
    rows = []
    for name, rates in comparison.rates.items():
        rate = sorted(rates)[len(rates) // 2]
        ratio = "1" if name == comparison.reference else _ratio_text(comparison.ratio(name, comparison.reference))
        rows.append([name, _number(rate), ratio])
    table = markdown_table([comparison.title, comparison.unit, f"times {comparison.reference}"], rows)
    aims = "\n".join(f"- {_aim_text(comparison, aim)}" for aim in comparison.aims)
    return f"{table}\n\n{aims}" if aims else table


def _aim_text(comparison: SideBySide, aim: Aim) -> str:
    ratio, wanted, verdict = _judged(comparison, aim)
    return f"{aim.contender} against {aim.against}: {ratio}; aim {wanted}, {verdict}."


def _judged(comparison: SideBySide, aim: Aim) -> tuple[str, str, str]:
    """The ratio, the aim, and whether it is reached."""
    ratio = comparison.ratio(aim.contender, aim.against)
    verdict = "reached" if ratio.median >= aim.ratio else "**not reached**"
    return _ratio_text(ratio), f"{aim.ratio:g}", verdict


def _ratio_text(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} ({ratio.lowest:.2f} to {ratio.highest:.2f})"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
