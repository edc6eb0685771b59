"""The learning rate of every batch, against the formulas of the paper evaluated one by one."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, mark

from backbones.recipes.recipe import RECIPES, find_recipe
from backbones.recipes.schedule import peak_learning_rate, resolve_schedule

STEP_DECAY = ("b-standard", "d-efficient", "efficient")
WITHOUT_WARMUP = ("b-standard", "batch256-scaling", "batch1024-scaling")


def full_run(name: str) -> int:
    """Epochs, from Sections 2.1 and 5.4."""
    return 200 if "mixup" in name else 120


def reference(name: str, steps_per_epoch: int, batch_size: int, step: int) -> float:
    """Learning rate of batch ``step`` (from 0) of a full run, written from Sections 2, 3.1 and 5.1."""
    eta = 0.1 if name == "b-standard" else 0.1 * batch_size / 256
    warmup = 0 if name in WITHOUT_WARMUP else 5 * steps_per_epoch
    if step < warmup:
        return (step + 1) * eta / warmup
    if name in STEP_DECAY or name.startswith("batch"):
        return eta / 10 ** (step // (30 * steps_per_epoch))
    t, total = step - warmup, (full_run(name) - 5) * steps_per_epoch
    return 0.5 * (1 + math.cos(t * math.pi / total)) * eta


@mark.parametrize("name", RECIPES)
@mark.parametrize("steps_per_epoch", [1, 3, 10])
def test_full_run_equals_the_paper(name: str, steps_per_epoch: int) -> None:
    recipe, epochs = find_recipe(name), full_run(name)
    peak, _ = peak_learning_rate(recipe, 1024, None)
    schedule = resolve_schedule(recipe, epochs, steps_per_epoch, peak)
    assert schedule.total_steps == epochs * steps_per_epoch
    for step in range(min(schedule.total_steps, (epochs - 1) * steps_per_epoch)):
        assert schedule.learning_rate(step) == approx(reference(name, steps_per_epoch, 1024, step), rel=1e-9)


@given(st.sampled_from(sorted(RECIPES)), st.integers(1, 150), st.integers(1, 40))
@settings(deadline=None)
def test_rises_through_the_warmup_and_never_again(name: str, epochs: int, steps_per_epoch: int) -> None:
    schedule = resolve_schedule(find_recipe(name), epochs, steps_per_epoch, 0.4)
    rates = [schedule.learning_rate(step) for step in range(schedule.total_steps)]
    rising, falling = rates[: schedule.warmup_steps], rates[schedule.warmup_steps :]
    assert all(0 < rate <= 0.4 for rate in rates)
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert not rising or rising[-1] == falling[0] == 0.4


@given(st.integers(1, 240), st.integers(1, 500))
def test_turning_points_keep_their_place_in_the_run(epochs: int, steps_per_epoch: int) -> None:
    schedule = resolve_schedule(find_recipe("d-efficient"), epochs, steps_per_epoch, 0.1)
    positions = (schedule.warmup_steps, *schedule.milestones)
    for position, fraction in zip(positions, (1 / 24, 1 / 4, 1 / 2, 3 / 4), strict=True):
        assert abs(position - fraction * schedule.total_steps) <= 0.5


def test_cosine_has_reached_zero_when_the_run_is_over() -> None:
    schedule = resolve_schedule(find_recipe("d-smooth"), 10, 117, 0.05)
    assert schedule.learning_rate(schedule.total_steps) == approx(0.0, abs=1e-15)
    assert 0 < schedule.learning_rate(schedule.total_steps - 1) < 1e-5 * 0.05


@mark.parametrize(
    ("recipe", "batch_size", "override", "peak", "rule"),
    [
        ("d-smooth", 128, None, 0.05, "0.1 / 256 * 128 = 0.05 (linear scaling)"),
        ("b-standard", 128, None, 0.1, "0.1 (b-standard does not scale it with the batch)"),
        ("d-smooth", 128, 0.3, 0.3, "0.3 (from --lr)"),
    ],
)
def test_peak_and_its_arithmetic(recipe: str, batch_size: int, override: float | None, peak: float, rule: str) -> None:
    value, text = peak_learning_rate(find_recipe(recipe), batch_size, override)
    assert value == approx(peak)
    assert text == rule


def test_description_names_the_turning_points() -> None:
    text = resolve_schedule(find_recipe("d-efficient"), 12, 10, 0.1).describe()
    assert text == "warmup over 5 batches, /10 at batches 30, 60, 90, 120 batches in all"
