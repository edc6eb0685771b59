"""What a terminal shows: the finding first, and no line wider than it is."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import fabricated
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.comparison.compare import compare_runs, compare_settings
from studies.report.forms.text import as_text
from studies.report.terminal import show as module
from studies.report.terminal.show import show
from studies.report.terminal.table import text_table

AddRun = Callable[..., Path]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@settings(max_examples=60)
@given(
    st.integers(2, 6).flatmap(
        lambda columns: st.lists(
            st.lists(st.text("abc \u0394", max_size=30), min_size=columns, max_size=columns), min_size=2, max_size=5
        )
    ),
    st.integers(40, 130),
)
def test_no_line_of_a_table_is_wider_than_it_may_be(grid: list[list[str]], width: int) -> None:
    lines = text_table(grid, width)
    assert max(map(len, lines)) <= width
    if all(len(cell) < 12 for line in grid for cell in line):  # nothing is shortened
        shown = " ".join(lines)
        assert all(word in shown for line in grid for cell in line for word in cell.split())


def test_a_table_that_fits_is_one_table() -> None:
    assert text_table([["row", "a"], ["x", "1"], ["yy", "22"]], 40) == [
        "row   a",
        "-------",
        "x     1",
        "yy   22",
        "-------",
    ]


def test_a_difference_stays_beside_its_metric() -> None:
    delta = "\u0394"
    grid = [["row", "top-1", delta, "mAP", delta, "mIoU", delta], ["mine", *("0" * 9 for _ in range(6))]]
    heads = [line.split()[1:] for line in text_table(grid, 60) if line.startswith("row")]
    assert heads == [["top-1", delta, "mAP", delta], ["mIoU", delta]]


def test_both_names_of_a_verdict_are_on_every_part_of_its_table() -> None:
    grid = [["metric", "row", *"abcdef"], ["mAP", "mine", *(["0" * 15] * 6)], ["mIoU", "yours", *(["1" * 15] * 6)]]
    lines = text_table(grid, 60)
    assert sum(line.startswith("mAP     mine") for line in lines) > 1
    assert sum(line.startswith("mIoU    yours") for line in lines) > 1


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_a_terminal_has_the_finding_first_in_its_width_and_in_colours(
    tmp_path: Path, add_run: AddRun, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = compare_runs(fabricated.known_effects(tmp_path, add_run))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(module.shutil, "get_terminal_size", lambda: os.terminal_size((columns, 40)))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    show([comparison], [""])
    shown = terminal.getvalue()
    assert "\x1b[1;32mcarry over\x1b[0m" in shown
    assert "\x1b" not in shown[shown.index("\n\u0394: difference from") :]  # the notes explain all verdicts
    plain = module.Text.from_ansi(shown).plain.splitlines()
    assert " ".join(plain[:2]).startswith("d-distill-mixup's +3.1 points of top-1 carry over to detection and segm")
    assert max(map(len, plain)) <= min(columns, 120)
    assert "\n".join(plain).count("d-cosine") > 4


def test_without_a_terminal_there_are_no_colours_and_the_usual_width(
    tmp_path: Path, add_run: AddRun, capsys: pytest.CaptureFixture[str]
) -> None:
    comparisons = compare_settings(fabricated.several_settings(tmp_path, add_run), "mine-plain")
    show(comparisons, ["One", "Two", "Three"])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert printed.startswith("One\nmine-smoothing's +2.3 points of top-1 carry over")
    assert "\nThree\nmine-smoothing's +2.3 points of top-1 reverse in detection.\n" in printed
    assert as_text(comparisons[0]) in printed
