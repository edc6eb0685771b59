"""Numbers as all reports write them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx, mark

from backbones.reporting.numbers import half_width, p_value, plain, signed


@mark.parametrize(
    ("value", "digits", "text", "with_sign"),
    [
        (1.005, 2, "1.00", "+1.00"),
        (-0.004, 2, "0.00", "+0.00"),
        (-1.25, 1, "-1.2", "-1.2"),
        (3.0, 0, "3", "+3"),
        (None, 2, "–", "–"),  # noqa: RUF001
    ],
)
def test_by_hand(value: float | None, digits: int, text: str, with_sign: str) -> None:
    assert plain(value, digits) == text
    assert signed(value, digits) == with_sign


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_both_are_the_number_rounded(value: float, digits: int) -> None:
    assert float(plain(value, digits)) == approx(value, abs=0.51 * 10**-digits)
    assert signed(value, digits).removeprefix("+") == plain(value, digits)
    assert "-0." + "0" * digits != plain(value, digits)


def test_intervals_and_p_values() -> None:
    assert half_width((1.0, 2.5)) == "0.75"
    assert [p_value(each) for each in (0.0004, 0.001, 0.04949, 1.0, None)] == ["<0.001", "0.001", "0.049", "1.000", "–"]  # noqa: RUF001
