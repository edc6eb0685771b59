"""Warmup: i / m at batch i of the first m."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from backbones.tricks.warmup import warmup_factor


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_is_the_fraction_of_the_warmup_that_is_done(batch: int, warmup_batches: int) -> None:
    expected = min(Fraction(1), Fraction(batch, warmup_batches)) if warmup_batches else Fraction(1)
    assert warmup_factor(batch, warmup_batches) == approx(float(expected))


def test_starts_above_zero_and_arrives() -> None:
    factors = [warmup_factor(batch, 4) for batch in range(1, 7)]
    assert factors == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
