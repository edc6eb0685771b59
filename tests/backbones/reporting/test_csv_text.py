"""A table that a spreadsheet opens holds what was written and calculates nothing."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st
from pytest import mark

from backbones.reporting.csv_text import csv_text

FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1|x",
    "@SUM(A1)",
    "=HYPERLINK(1)",
    "+cmd|' /C calc'!A0",
    " =1",
    "-x",
    "+ SUM(1)",
    "+ a!b",
)
HARMLESS = (
    "resnet50_d",
    "",
    "a=b",
    'comma, "quote"',
    "$n$ öäü",
    "-1.5",
    "+3",
    "-1e-05",
    "+ label-smoothing",
    "0 1",
    "'x",
)


def cells(*values: object) -> list[str]:
    header, row = csv.reader(io.StringIO(csv_text(["column"] * len(values), [values])))
    assert header == ["column"] * len(values)
    return row


def test_formulas_are_text() -> None:
    assert cells(*FORMULAS) == [f"'{formula}" for formula in FORMULAS]
    assert csv_text(["=a"], []) == "'=a\n"


def test_everything_else_is_as_it_was() -> None:
    assert cells(*HARMLESS, -1.5, None, 3) == [*HARMLESS, "-1.5", "", "3"]


@mark.parametrize("beginning", ["\t", "\r", "\n", "\x1b", "\x00"])
def test_what_cannot_be_seen_is_written_out(beginning: str) -> None:
    (cell,) = cells(f"{beginning}=1")
    assert cell.startswith("\\")
    assert cell.isprintable()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_no_cell_begins_as_a_formula(name: str) -> None:
    (cell,) = cells(name)
    assert not cell.lstrip().startswith("=")
    assert not cell.lstrip().startswith("@")
