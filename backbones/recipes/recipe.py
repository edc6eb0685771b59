"""Training recipes by name: the rows of the paper's Tables 2 to 6, 8 and 9.

A recipe is data. What each trick does is in its module of ``backbones.tricks``; what switches a trick on or off is in
``backbones.recipes.switches``; what happens when a run is shorter than the recipe is in ``backbones.recipes.schedule``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from backbones.errors import UserError, did_you_mean
from backbones.recipes.paper import paper_results, table_rows

RANDOM_RECIPE = "random"  # what a trunk that was never pretrained is called where a recipe is asked for

# Coefficients that change the colours of a training image, in the words of Section 2.1 or of GluonCV's training script.
COLORS = {"paper": "brightness, saturation and hue", "gluoncv": "brightness, saturation and contrast"}


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained; the defaults are the paper's baseline (Section 2.1).

    ``milestones`` (step decay by 10) and ``warmup_epochs`` are in epochs of a run of ``epochs``; a shorter run scales
    them. ``base_learning_rate`` is for a batch of 256; ``linear_scaling`` adapts it to other batches. ``low_precision``
    None leaves the precision to the machine, the same for all rows; True insists on 16 bits, False on float32.
    ``distillation`` is its temperature, ``mixup`` its alpha, ``label_smoothing`` its epsilon; 0 is off.
    ``color`` is one of ``COLORS``; all recipes take the paper's words (docs/architecture.md weighs the sources).
    ``tricks`` has those that are no field of their own, by the name that switches them; one that is not there is off.
    Momentum and weight decay are not in the paper; the values are those of its authors' GluonCV scripts.
    """

    name: str
    summary: str
    epochs: int = 120
    batch_size: int = 256
    base_learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "step"
    milestones: tuple[float, ...] = (30, 60, 90)
    warmup_epochs: float = 0
    linear_scaling: bool = False
    zero_gamma: bool = False
    no_bias_decay: bool = False
    low_precision: bool | None = None
    label_smoothing: float = 0.0
    distillation: float = 0.0
    mixup: float = 0.0
    color: str = "paper"
    tricks: Mapping[str, Any] = field(default_factory=dict, hash=False)


def _table4(batch_size: int) -> Iterator[Recipe]:
    """The rows of Table 4 at one batch size: one heuristic more in each, float32 up to the last."""
    recipe = Recipe("", f"batch {batch_size}", batch_size=batch_size, low_precision=False)
    for name, what, change in (
        ("scaling", "linear scaling", {"linear_scaling": True}),
        ("warmup", "warmup", {"warmup_epochs": 5}),
        ("zero-gamma", "zero gamma", {"zero_gamma": True}),
        ("no-bias-decay", "no bias decay", {"no_bias_decay": True}),
        ("fp16", "16 bits", {"low_precision": True}),
    ):
        recipe = replace(recipe, name=f"batch{batch_size}-{name}", summary=f"{recipe.summary} + {what}", **change)
        yield recipe


B_STANDARD = Recipe(
    name="b-standard",
    summary="the baseline: Nesterov momentum, step decay at epochs 30, 60 and 90 of 120",
)
# The learning rate is 0.1 / 256 * 1024 = 0.4 by linear scaling (Section 3.1).
D_EFFICIENT = Recipe(
    name="d-efficient",
    summary="b-standard + linear scaling, warmup, zero gamma, no bias decay, batch 1024",
    batch_size=1024,
    warmup_epochs=5,
    linear_scaling=True,
    zero_gamma=True,
    no_bias_decay=True,
)
D_COSINE = replace(
    D_EFFICIENT,
    name="d-cosine",
    summary="d-efficient + cosine learning rate decay",
    schedule="cosine",
)
D_SMOOTH = replace(
    D_COSINE,
    name="d-smooth",
    summary="d-cosine + label smoothing 0.1",
    label_smoothing=0.1,
)
D_DISTILL = replace(
    D_SMOOTH,
    name="d-distill",
    summary="d-smooth + distillation at temperature 20 (give --teacher; the paper's is a ResNet-152-D by d-smooth)",
    distillation=20.0,
)
# 200 epochs is what the paper gives mixup (Section 5.4); the milestones, unused by a cosine, keep their proportion.
D_MIXUP = replace(
    D_SMOOTH,
    name="d-mixup",
    summary="d-smooth + mixup 0.2, 200 epochs",
    epochs=200,
    milestones=(50, 100, 150),
    mixup=0.2,
)
# The paper does not say how long both together take; 200 epochs, as mixup alone.
D_DISTILL_MIXUP = replace(
    D_MIXUP,
    name="d-distill-mixup",
    summary="d-mixup + distillation at temperature 20 (give --teacher; the paper's is a ResNet-152-D by d-mixup)",
    distillation=20.0,
)
RESIDUAL = (D_EFFICIENT, D_COSINE, D_SMOOTH, D_DISTILL, D_MIXUP, D_DISTILL_MIXUP)


def _without_residual_blocks(recipe: Recipe) -> Recipe:
    """The same row for Inception-V3 and MobileNet, which have no residual block whose gamma could be 0."""
    summary = f"{recipe.name} without zero gamma, for Inception-V3 and MobileNet"
    return replace(recipe, name=recipe.name.removeprefix("d-"), summary=summary, zero_gamma=False)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        B_STANDARD,
        *RESIDUAL,
        *(_without_residual_blocks(recipe) for recipe in RESIDUAL),
        *_table4(256),
        *_table4(1024),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UserError: There is none; the message lists those there are.
    """
    if name not in RECIPES:
        hint = did_you_mean(name, RECIPES)
        raise UserError(
            f"unknown recipe {name!r}: {hint}known are {', '.join(RECIPES)} (--recipe list explains "
            "them); your own come with --plugin FILE.py, which a resumed run needs again, or with --recipe FILE.yaml"
        )
    return RECIPES[name]


def recipe_list() -> str:
    """Every recipe with its settings and the paper's top-1 in its rows, as text for a terminal."""
    return "\n".join(line for recipe in RECIPES.values() for line in _describe(recipe))


def _describe(recipe: Recipe) -> Iterator[str]:
    rate = f"{recipe.base_learning_rate:g}"
    if recipe.linear_scaling:
        rate += f" / 256 * {recipe.batch_size} = {recipe.base_learning_rate / 256 * recipe.batch_size:g}"
    yield f"{recipe.name:<24} {recipe.summary}"
    settings = f"{recipe.epochs} epochs, batch {recipe.batch_size}, learning rate {rate}, {recipe.schedule} decay"
    yield f"{'':<24} {settings}, color {recipe.color}"
    for table, results in groupby(paper_results(recipe.name), lambda result: result.table):
        numbers = ", ".join(f"{result.network} {result.top1:.2f}" for result in results)
        yield f"{'':<24} top-1 in the paper's Table {table}: {numbers}"
    for table, columns in ((8, ("map",)), (9, ("miou", "pixel_accuracy"))):
        for row in table_rows(table):
            if row["recipe"] == recipe.name:
                numbers = ", ".join(f"{column} {row[column]:.2f}" for column in columns)
                yield f"{'':<24} in the paper's Table {table}: top-1 {row['top1']:.2f}, {numbers}"
