"""Seeds of several transfers of one training."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pytest import mark, raises

from backbones.errors import UserError
from studies.suite.seeds import check_transfer_seeds, transfer_seed

SUITE = Path("mine.yaml")


@mark.parametrize(("seed", "seeds"), [(0, [0, 1000, 2000]), (7, [7, 1007, 2007]), (1500, [1500, 2500, 3500])])
def test_the_first_transfer_has_the_trainings_seed(seed: int, seeds: list[int]) -> None:
    assert [transfer_seed(seed, number) for number in (1, 2, 3)] == seeds


@given(st.lists(st.sampled_from([0, 1, 2, 999, 1000, 1001, 2000, 3000]), min_size=1, unique=True), st.integers(1, 4))
def test_seeds_are_refused_exactly_when_two_transfers_would_share_one(seeds: list[int], transfers: int) -> None:
    own = [transfer_seed(seed, number) for seed, number in product(seeds, range(1, transfers + 1))]
    if len(set(own)) == len(own):
        check_transfer_seeds(SUITE, "d-smooth", seeds, transfers)
        return
    with raises(UserError, match=r"mine\.yaml: d-smooth has the seeds .* take seeds below 1000"):
        check_transfer_seeds(SUITE, "d-smooth", seeds, transfers)


def test_seeds_below_a_step_never_collide() -> None:
    check_transfer_seeds(SUITE, "d-smooth", range(1000), 5)
