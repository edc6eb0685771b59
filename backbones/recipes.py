"""Training recipes by name: the rows of the paper's Tables 6, 8 and 9.

A recipe is data. What each trick does is in its module of ``backbones.tricks``; what happens when a run is shorter than
the recipe is in ``backbones.schedule``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from backbones.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained; the defaults are the paper's baseline (Section 2.1).

    ``milestones`` (step decay by 10) and ``warmup_epochs`` are in epochs of a run of ``epochs``; a shorter run scales
    them. ``base_learning_rate`` is for a batch of 256; ``linear_scaling`` adapts it to other batches. ``precision`` is
    what the paper used and does not steer anything: precision is a property of the machine, the same for all rows.
    Momentum and weight decay are not in the paper; the values are those of its authors' GluonCV scripts.
    """

    name: str
    summary: str
    paper: str
    epochs: int = 120
    batch_size: int = 256
    base_learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "step"
    milestones: tuple[int, ...] = (30, 60, 90)
    warmup_epochs: int = 0
    linear_scaling: bool = False
    zero_gamma: bool = False
    no_bias_decay: bool = False
    label_smoothing: float = 0.0
    precision: str = "fp32"


B_STANDARD = Recipe(
    name="b-standard",
    summary="the baseline: Nesterov momentum, step decay at epochs 30, 60 and 90",
    paper='row "B-standard" of Tables 8 and 9 (ResNet-50-B, 76.14); the procedure of Section 2.1',
)
D_EFFICIENT = Recipe(
    name="d-efficient",
    summary="b-standard + linear scaling, warmup, zero gamma, no bias decay, batch 1024",
    paper='row "Efficient" of Tables 3 and 6, "D-efficient" of Tables 8 and 9 (ResNet-50-D, 77.16)',
    batch_size=1024,
    warmup_epochs=5,
    linear_scaling=True,
    zero_gamma=True,
    no_bias_decay=True,
    precision="fp16",
)
D_COSINE = replace(
    D_EFFICIENT,
    name="d-cosine",
    summary="d-efficient + cosine learning rate decay",
    paper='row "+ cosine" of Tables 6, 8 and 9 (ResNet-50-D, 77.91)',
    schedule="cosine",
    milestones=(),
)
D_SMOOTH = replace(
    D_COSINE,
    name="d-smooth",
    summary="d-cosine + label smoothing 0.1",
    paper='row "+ smooth" of Tables 6, 8 and 9 (ResNet-50-D, 78.31 in Table 6, 78.34 in Tables 8 and 9)',
    label_smoothing=0.1,
)

RECIPES = {recipe.name: recipe for recipe in (B_STANDARD, D_EFFICIENT, D_COSINE, D_SMOOTH)}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UserError: There is none; the message lists those there are.
    """
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}: known are {', '.join(RECIPES)} (--recipe list explains them)")
    return RECIPES[name]


def recipe_list() -> str:
    """Name, summary and paper rows of every recipe, as text for a terminal."""
    return "\n".join(f"{recipe.name:<12} {recipe.summary}\n{'':<12} {recipe.paper}" for recipe in RECIPES.values())
