"""Random streams: repeatable at their place, different everywhere else."""

from __future__ import annotations

from itertools import combinations

from backbones.data.randomness import Purpose, keyed_generator, step_seed


def test_same_key_same_numbers() -> None:
    draws = [keyed_generator(Purpose.CROP, 1, 2, 3).random(5).tolist() for _ in range(2)]
    assert draws[0] == draws[1]


def test_every_part_of_the_key_matters() -> None:
    keys = [(purpose, seed, epoch, 0) for purpose in Purpose for seed in (0, 1) for epoch in (0, 1)]
    keys += [(Purpose.CROP, 0, 0, 1), (Purpose.COLOR, 0, 0, 1)]
    draws = [keyed_generator(*key).random(3).tolist() for key in keys]
    assert all(one != other for one, other in combinations(draws, 2))


def test_numbers_of_a_purpose_never_change() -> None:
    # They are part of the key: with other ones, a run that is resumed would go on with other random numbers.
    assert {purpose.name: int(purpose) for purpose in Purpose} == {
        "ORDER": 0,
        "CROP": 1,
        "COLOR": 2,
        "STEP": 3,
        "MIXUP": 4,
    }


def test_step_seeds_differ_and_fit_torch() -> None:
    seeds = {step_seed(seed, step, part) for seed in range(3) for step in range(25) for part in range(4)}
    assert len(seeds) == 300
    assert all(0 <= seed < 2**63 for seed in seeds)
