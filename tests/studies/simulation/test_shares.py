"""Errors, coverage and power of the shipped rule over thousands of studies, and what the simulations are made of."""

from __future__ import annotations

import numpy as np
from pytest import approx, mark
from scipy import stats

from studies.simulation.ade20k import IMAGES, IMAGES_WITH, PIXELS
from studies.simulation.errors import error_shares
from studies.simulation.found import found_shares
from studies.simulation.images import GAIN, IMAGE_PIXELS, draw_regions, predict
from studies.simulation.nested_rows import nest, nested_table
from studies.simulation.rule import RULES, compare_studies
from studies.simulation.spending.designs import (
    BUDGETS,
    NOISES,
    Design,
    Hours,
    cheapest,
    claims_share,
    found_share,
    simulate,
)
from studies.simulation.spending.planned_seeds import planned_table
from studies.simulation.truth import METRICS, ROWS, paper_differences, seed_noise

STUDIES = 10_000


def bounds(share: float, trials: int = STUDIES) -> tuple[float, float]:
    """What a share of that many trials stays within but once in a million simulations, were it right."""
    low, high = stats.binom.interval(1 - 1e-6, trials, share)
    return low / trials, high / trials


def equal_rows(seeds: int, correlation: float, rule: str) -> dict[str, float]:
    values = seed_noise(np.random.default_rng(seeds), STUDIES, seeds, correlation)
    return error_shares(compare_studies(values[:, 1:], values[:, :1], RULES[rule]))


@mark.parametrize("correlation", [0.0, 0.5])
@mark.parametrize("seeds", [2, 3, 4, 5, 8])
def test_the_shipped_rule_errs_no_more_than_it_says(seeds: int, correlation: float) -> None:
    found = equal_rows(seeds, correlation, "shipped")
    assert found["claims"] <= bounds(0.05)[1]
    # Six intervals of a study are no six trials: the bounds are those of the studies.
    assert found["covered"] >= bounds(0.95)[0]
    assert found["best covered"] >= bounds(0.95)[0]
    assert found["best covered, plain"] < found["best covered"]


def test_of_eight_seeds_the_plain_interval_of_the_best_row_holds_the_truth_too_seldom() -> None:
    """Negative control of the coverage above."""
    assert equal_rows(8, 0.0, "shipped")["best covered, plain"] < bounds(0.95)[0]


def test_the_paired_test_is_exact_and_welchs_is_not_where_rows_are_correlated() -> None:
    low, high = bounds(0.95)
    assert low <= equal_rows(5, 0.8, "paired")["covered"] <= high
    assert equal_rows(5, 0.8, "Welch")["covered"] > high


def test_noise_has_the_correlation_that_it_should() -> None:
    noise = seed_noise(np.random.default_rng(0), STUDIES, 2, 0.3)
    assert noise.shape == (STUDIES, 1 + ROWS, 2)
    between_rows = np.corrcoef(noise[:, :, 0].T)
    assert between_rows[np.triu_indices(1 + ROWS, 1)] == approx(0.3, abs=0.05)
    assert np.corrcoef(noise[:, 0].T)[0, 1] == approx(0, abs=0.05)
    assert noise.std() == approx(1, abs=0.02)


def test_the_papers_differences() -> None:
    assert paper_differences("voc07_map") == approx([0.76, 1.69, 3.17, 3.42, 3.56, 3.79])
    assert paper_differences("miou") == approx([1.83, 2.28, 1.70, 1.85, 0.94, 1.35])


def test_power_of_the_shipped_rule_on_the_papers_differences() -> None:
    """Three seeds with a spread of 0.3, beside what pairing would find; against figures of another simulation."""
    shipped, paired = (
        {metric: found_shares(metric, 0.3, 3, 0.0, STUDIES, RULES[rule]) for metric in METRICS}
        for rule in ("shipped", "paired")
    )
    near = {"abs": 0.02}
    assert (min(shipped["voc07_map"]), max(shipped["voc07_map"])) == (approx(0.53, **near), approx(1.0, **near))
    assert (min(shipped["miou"]), max(shipped["miou"])) == (approx(0.64, **near), approx(0.93, **near))
    assert (min(paired["voc07_map"]), max(paired["voc07_map"])) == (approx(0.35, **near), approx(0.96, **near))
    assert (min(paired["miou"]), max(paired["miou"])) == (approx(0.29, **near), approx(0.65, **near))
    assert min(found_shares("miou", 0.3, 5, 0.0, STUDIES, RULES["shipped"])) > 0.9


# --- designs ---


def test_the_mean_of_transfers_has_the_variance_of_training_and_transfer() -> None:
    """The spread of a difference, and, of a single training, what its transfers do not show of it."""
    several = simulate(3, 5, 4, (0.2, 0.4), np.zeros(ROWS), STUDIES)
    assert several.value.std() == approx(((0.04 + 0.16 / 4) * (1 / 3 + 1 / 5)) ** 0.5, rel=0.03)
    one = simulate(1, 1, 4, (0.2, 0.4), np.full(ROWS, 7.0), STUDIES)
    assert one.value.mean() == approx(7, abs=0.02)
    assert one.value.std() == approx((2 * (0.04 + 0.16 / 4)) ** 0.5, rel=0.03)


def test_transfers_of_a_single_training_are_no_evidence_on_trainings() -> None:
    assert claims_share(1, 1, 5, STUDIES) > 0.15
    assert claims_share(3, 3, 1, STUDIES) <= 0.05
    assert claims_share(2, 7, 1, STUDIES) > 0.05  # two trainings are few for Welch's test beside many


def test_a_fourth_training_finds_more_than_three_transfers_of_each_of_three() -> None:
    by_design = {
        plan: np.mean([found_share(metric, *plan, *NOISES[0], STUDIES) for metric in METRICS])
        for plan in ((3, 3, 1), (3, 3, 3), (4, 4, 1))
    }
    assert by_design[3, 3, 1] + 0.1 < by_design[3, 3, 3] < by_design[4, 4, 1]


def test_hours_by_hand_and_the_cheapest_that_is_good_enough() -> None:
    hours = Hours({"classification": 60.0, "detection": 6.0}, {"classification": 10.0, "detection": 1.0}, 5.0)
    assert hours.of(Design(2, 3, 4, 0)) == 5 + 2 * (60 + 4 * 6) + 3 * (10 + 4 * 1)
    shares = {Design(4, 4, 1, 0): 0.96, Design(3, 3, 1, 0): 0.94, Design(4, 5, 1, 0): 0.99}
    assert cheapest(shares, hours) == Design(4, 4, 1, 0)
    assert BUDGETS[0].transfers == {"voc07_map": 1, "miou": 1}
    assert Design(3, 3, 2, 0).transfers == {"voc07_map": 2}


# --- the rest ---


def test_rows_that_are_built_on_one_another_by_hand() -> None:
    assert nest(np.array([1.0, 2, 4, 8, 16, 32, 64])).tolist() == [1, 3, 7, 15, 31, 47, 111]


def test_nested_rows_look_correlated_and_independent_ones_do_not() -> None:
    found = nested_table(1000)
    assert found["independent"] <= bounds(0.05, 1000)[1]
    assert found["nested"] > bounds(0.05, 1000)[1]


def test_test_sets_have_the_frequencies_of_ade20k() -> None:
    assert len(IMAGES_WITH) == len(PIXELS) == 150
    assert sum(PIXELS) / 10_000 == approx(0.93, abs=0.005)  # the rest of the pixels has none of these classes
    random = np.random.default_rng(0)
    regions = draw_regions(random, 4000)
    held = np.bincount(regions.label, minlength=150) / 4000
    assert held == approx(np.array(IMAGES_WITH) / IMAGES, abs=0.05)
    assert len(regions.image) / 4000 == approx(sum(IMAGES_WITH) / IMAGES, rel=0.02)
    assert regions.pixels.sum() / 4000 == approx(IMAGE_PIXELS, rel=0.05)
    one, other = predict(random, regions), predict(random, regions, GAIN)
    assert one.confusion().sum() == regions.pixels.sum()  # every pixel is called something, and once
    by_label = np.bincount(regions.label, regions.pixels, minlength=150)
    assert one.confusion().sum(axis=1) == approx(by_label)
    assert np.trace(other.confusion()) > np.trace(one.confusion())


def test_planned_seeds_decide_most_rows() -> None:
    lines = planned_table(4)
    assert {(line["true"], line["sd"], line["plan"]) for line in lines} >= {
        (1.0, 0.5, "as seen"),
        (0.5, 0.3, "the paper's"),
    }
    for line in lines:
        if line["true"] == 1 and line["undecided"] > 10:
            assert line["decided"] > 0.5
            assert line["seeds"][0] > 3
