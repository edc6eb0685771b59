"""Markdown tables."""

from __future__ import annotations

from pytest import raises

from backbones.reporting.markdown import markdown_table


def test_columns_are_straight_and_cells_stay_cells() -> None:
    assert markdown_table(["row", "n", "top-1"], [["a|b", "1", "70.25"], ["c", "12", "–"]]) == "\n".join(  # noqa: RUF001
        [
            "| row  |  n | top-1 |",
            "| ---- | -: | ----: |",
            "| a\\|b |  1 | 70.25 |",
            "| c    | 12 |     – |",  # noqa: RUF001
        ]
    )


def test_a_row_that_is_too_short_is_a_defect() -> None:
    with raises(ValueError, match="shorter"):
        markdown_table(["a", "b"], [["1"]])
