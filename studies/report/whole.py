"""The report of a tree of runs in all its forms, with a section or a folder for each of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from studies.comparison.compare import Comparison
from studies.report.forms.records import read_records
from studies.report.forms.text import write_report
from studies.report.front.setting_names import SettingName, name_settings
from studies.report.page import write_pages


class Written(NamedTuple):
    """The files to look at: the Markdown of the first setting, and the page of all."""

    text: Path
    page: Path


def setting_names(comparisons: Sequence[Comparison]) -> list[SettingName]:
    """What each is called; empty words where there is one.

    Raises:
        UserError: A file has disappeared since the comparison was made.
    """
    return name_settings([read_records(comparison) for comparison in comparisons])


def write_whole_report(
    comparisons: Sequence[Comparison],
    out: str | Path | None = None,
    title: str | None = None,
    with_images: bool = True,
    seeds_command: str | None = None,
) -> Written:
    """Write the text forms of each, and one page of all.

    Args:
        comparisons: The settings of a tree (``studies.comparison.compare.compare_settings``).
        out: Folder; None takes ``report`` in the compared folder. The files of the first setting lie in it, those of
            every other in a folder in it.
        title: Name of the study.
        with_images: Whether images of the data sets may be on the page.
        seeds_command: See ``studies.report.page.write_page``.

    Raises:
        UserError: The folder cannot be written to, or a run's per-image results are damaged.
    """
    folder = comparisons[0].root / "report" if out is None else Path(out)
    names = setting_names(comparisons)
    texts = [write_report(each, folder / name.folder) for each, name in zip(comparisons, names, strict=True)]
    return Written(texts[0], write_pages(comparisons, folder, title, with_images, seeds_command))
