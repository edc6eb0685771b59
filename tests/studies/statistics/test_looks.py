"""Differences of a study that is looked at several times."""

from __future__ import annotations

from pytest import approx

from backbones.errors import not_none
from studies.statistics.looks import Looks, chance, subtract_at_looks, training_seeds
from studies.statistics.seeds import subtract

LOOKS = Looks((0, 1, 2, 3, 4), (3, 5))
BASELINE = {0: 70.0, 1: 70.1, 2: 69.9, 3: 70.0, 4: 70.1}


def test_an_early_rejection_on_the_other_side_does_not_count() -> None:
    row = {0: 72.0, 1: 72.1, 2: 72.15, 3: 64.0, 4: 63.0}
    early = {seed: row[seed] for seed in (0, 1, 2)}
    assert not_none(not_none(subtract_at_looks(early, BASELINE, LOOKS)).p_value) < 0.001
    late = not_none(subtract_at_looks(row, BASELINE, LOOKS))
    assert late.value < 0
    assert not_none(late.p_value) > 0.05


def test_seeds_between_two_looks_wait() -> None:
    row = {seed: value + 2 for seed, value in BASELINE.items()}
    at_three = subtract_at_looks({seed: row[seed] for seed in (0, 1, 2)}, BASELINE, LOOKS)
    assert subtract_at_looks({seed: row[seed] for seed in (0, 1, 2, 3)}, BASELINE, LOOKS) == at_three
    assert not_none(at_three).n == (3, 3)
    before = not_none(subtract_at_looks({0: 72.0, 1: 72.1}, BASELINE, LOOKS))
    assert (before.p_value, before.interval) == (None, None)
    assert chance(before, 1.0, LOOKS) is None


def test_the_level_of_a_look_is_below_that_of_the_only_one() -> None:
    row = {0: 71.0, 1: 71.4, 2: 70.2, 3: 71.0, 4: 70.6}
    mine, alone = not_none(subtract_at_looks(row, BASELINE, LOOKS)), not_none(subtract(row, BASELINE))
    assert mine.value == approx(alone.value)
    assert mine.error_rate < alone.error_rate
    assert not_none(mine.interval)[0] < not_none(alone.interval)[0]
    assert 0 < not_none(chance(mine, 1.0, LOOKS)) < 1


def test_further_transfers_belong_to_their_trainings_look() -> None:
    """Public weights and random trunks have a value for each transfer: s, s + 1000, ..."""
    row = {seed + step: 72.0 + step / 1e4 for seed in range(4) for step in (0, 1000)}
    assert set(LOOKS.at(row, 1)) == {0, 1, 2, 1000, 1001, 1002}
    assert set(LOOKS.at(row, 2)) == set(row)
    assert not_none(subtract_at_looks(row, BASELINE, LOOKS)).n == (6, 3)
    assert Looks((0, 1000), (1, 2)).at({0: 1.0, 1000: 2.0}, 1) == {0: 1.0}
    assert training_seeds([0, 1, 1000, 1001, 2001, 7]) == {0, 1, 7}
