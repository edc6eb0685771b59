"""Scales, ticks and labels of the figures."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.report.figures.curves import read_curve
from studies.report.figures.svg import Drawing, Scale, span, tick_label, ticks
from studies.report.samples.images import most_different


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e5), st.integers(2, 9))
def test_ticks_are_round_few_and_inside(low: float, width: float, about: int) -> None:
    found = ticks(low, low + width, about)
    assert len(found) <= about + 1
    assert all(low - 1e-6 * width <= value <= low + width * (1 + 1e-6) for value in found)
    assert found == sorted(set(found))


def test_ticks_by_hand() -> None:
    assert ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert ticks(-0.3, 1.1, 3) == [0, 0.5, 1.0]
    assert [tick_label(value) for value in (-2.5, 0.0, 5000.0, 20000.0)] == ["−2.5", "0", "5000", "20k"]  # noqa: RUF001


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_a_span_holds_its_values_and_is_never_empty(values: list[float]) -> None:
    low, high = span(values, with_zero=True)
    assert low < high
    assert low <= min(0, *values, 0)
    assert max(0, *values, 0) <= high


def test_a_scale_is_linear_and_may_point_down() -> None:
    scale = Scale(10, 20, 100, 50)
    assert [scale(value) for value in (10, 15, 20)] == [100, 75, 50]


def test_words_are_escaped_and_stay_text() -> None:
    drawing = Drawing(10, 10)
    drawing.text((1, 2), "<a & b>", "label")
    drawing.diamond((5, 5), 2, "mark")
    root = ElementTree.fromstring(drawing.render('said "so" <'))
    assert root.find("text").text == "<a & b>"
    assert root.get("aria-label") == 'said "so" <'


@pytest.mark.parametrize(
    ("differences", "expected"),
    [([0.1, None, -0.5, 0.0, 0.5], [2, 4, 0]), ([0.0, None], []), ([1.0, 2, 3, 4, 5], [4, 3, 2, 1])],
)
def test_the_most_different_images(differences: list[float | None], expected: list[int]) -> None:
    assert most_different(differences) == expected


def test_a_curve_is_thinned_to_means_and_ends_where_the_run_does(tmp_path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [f'{{"kind": "step", "step": {step}, "loss": {1000 - step}}}\n' for step in range(1, 1001)]
    path.write_text("".join([*lines[:500], *lines[300:500], *lines[500:]]))  # a run that went back and on
    points = read_curve(path, "step", "loss")
    assert len(points) == 100
    assert points[0] == (10.0, 994.5)
    assert points[-1] == (1000.0, 4.5)
    assert read_curve(path, "epoch", "loss") == []
    assert read_curve(tmp_path / "none", "step", "loss") == []
