"""The learning rate per batch size, against the paper's own figures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx, mark

from backbones.tricks.linear_scaling import scaled_learning_rate


@mark.parametrize(("batch_size", "expected"), [(256, 0.1), (1024, 0.4), (128, 0.05), (32, 0.0125)])
def test_paper_values(batch_size: int, expected: float) -> None:
    assert scaled_learning_rate(batch_size) == approx(expected, rel=1e-12)


@given(st.integers(1, 65536), st.floats(1e-4, 10.0))
def test_twice_the_batch_is_twice_the_rate(batch_size: int, base: float) -> None:
    assert scaled_learning_rate(2 * batch_size, base) == approx(2 * scaled_learning_rate(batch_size, base))
