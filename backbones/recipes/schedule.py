"""The learning rate of every batch: warmup, then step decay or a cosine.

Step decay is the baseline's schedule (Section 2.1): the rate is divided by 10 at epochs 30, 60 and 90 of 120. Warmup
and cosine are refinements and live in ``backbones.tricks``. A run shorter or longer than its recipe moves the turning
points in proportion: 10 epochs of a 120-epoch recipe decay at 2.5, 5 and 7.5, to the nearest batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from backbones.errors import not_none
from backbones.recipes.recipe import Recipe
from backbones.recipes.switches import is_on, trick_with
from backbones.tricks import TRICKS
from backbones.tricks.warmup import warmup_factor

STEP, STEP_DECAY = "step", 0.1


@dataclass(frozen=True)
class Schedule:
    """A resolved schedule; all positions are in batches from the start of the run.

    ``peak`` is the learning rate after the warmup. ``shape`` is "step" or the name of a trick with a decay, such as
    "cosine"; ``milestones`` belong to "step".
    """

    peak: float
    shape: str
    total_steps: int
    warmup_steps: int
    milestones: tuple[int, ...]

    def learning_rate(self, step: int) -> float:
        """Learning rate of the batch before which ``step`` batches were done (0 for the first batch).

        At ``step = total_steps``, when the run is over, a cosine has reached 0.
        """
        if step < self.warmup_steps:
            return self.peak * warmup_factor(step + 1, self.warmup_steps)
        if self.shape != STEP:
            return self.peak * not_none(TRICKS[self.shape].decay)(
                step - self.warmup_steps, self.total_steps - self.warmup_steps
            )
        return self.peak * STEP_DECAY ** sum(step >= milestone for milestone in self.milestones)

    def describe(self) -> str:
        """One line for a person: warmup, shape, turning points."""
        warmup = f"warmup over {self.warmup_steps} batches, " if self.warmup_steps else ""
        decay = ", ".join(str(milestone) for milestone in self.milestones)
        if self.shape == STEP:
            shape = f"/10 at batches {decay}"
        else:
            shape = f"{self.shape} to {self.peak * not_none(TRICKS[self.shape].decay)(1, 1):g}"
        return f"{warmup}{shape}, {self.total_steps} batches in all"


def resolve_schedule(recipe: Recipe, epochs: int, steps_per_epoch: int, peak: float) -> Schedule:
    """The recipe's schedule for a run of ``epochs``, turning points scaled by ``epochs / recipe.epochs``."""

    def scaled(recipe_epochs: float) -> int:
        return round(recipe_epochs * epochs * steps_per_epoch / recipe.epochs)

    return Schedule(
        peak=peak,
        shape=next((name for name, trick in TRICKS.items() if trick.decay and is_on(recipe, name)), STEP),
        total_steps=epochs * steps_per_epoch,
        warmup_steps=scaled(recipe.warmup_epochs),
        milestones=tuple(scaled(milestone) for milestone in recipe.milestones),
    )


def peak_learning_rate(recipe: Recipe, batch_size: int, override: float | None) -> tuple[float, str]:
    """The learning rate after the warmup, and the arithmetic behind it as text."""
    if override is not None:
        return override, f"{override:g} (from --lr)"
    base = recipe.base_learning_rate
    if found := trick_with(recipe, "learning_rate"):
        trick, value = found
        return not_none(trick.learning_rate)(base, batch_size, value)
    return base, f"{base:g} ({recipe.name} does not scale it with the batch)"
