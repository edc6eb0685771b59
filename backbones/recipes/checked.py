"""Whether a recipe of a user's own is one that can be trained by, and is told apart from those of the paper."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from backbones.cli.yaml_section import shown
from backbones.errors import UserError, did_you_mean
from backbones.recipes.recipe import COLORS, RANDOM_RECIPE, RECIPES, Recipe
from backbones.recipes.switches import bounds, check_tricks, value_of
from backbones.tricks import TRICKS

NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?<!\.yaml)(?<!\.yml)", re.ASCII)  # no space: the marks of switches follow one


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _rising(value: Any) -> bool:
    numbers = isinstance(value, (tuple, list)) and all(_number(each) and each > 0 for each in value)
    return numbers and list(value) == sorted(set(value))


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


Kind = tuple[Callable[[Any], bool], str]
FLAG: Kind = (_flag, "true or false")
# What each field may be, but for numbers of tricks, whose bounds are the tricks'.
KINDS: dict[str, Kind] = {
    "name": (lambda value: isinstance(value, str) and bool(NAME.fullmatch(value)), "a word of letters, digits, . - _"),
    "summary": (lambda value: isinstance(value, str) and bool(value.strip()), "a line of text"),
    "epochs": (_whole, "a whole number from 1"),
    "batch_size": (_whole, "a whole number from 1"),
    "base_learning_rate": (lambda value: _number(value) and value > 0, "a number above 0"),
    "momentum": (lambda value: _number(value) and 0 < value < 1, "a number above 0 and below 1"),
    "weight_decay": (lambda value: _number(value) and value >= 0, "a number from 0"),
    "schedule": (lambda value: value in ("step", "cosine"), "step or cosine"),
    "milestones": (_rising, "a list of rising numbers above 0"),
    "linear_scaling": FLAG,
    "zero_gamma": FLAG,
    "no_bias_decay": FLAG,
    "low_precision": (lambda value: value is None or _flag(value), "true, false or null"),
    "color": (lambda value: isinstance(value, str) and value in COLORS, " or ".join(COLORS)),
    "tricks": (lambda value: isinstance(value, Mapping), "a section of 'NAME: value' lines"),
}


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe with values that mean nothing, or with the name of another.

    Raises:
        UserError: What is wrong, by the recipe's field.
    """
    for key, (fits, wanted) in KINDS.items():
        if not fits(getattr(recipe, key)):
            raise UserError(f"{key} is {shown(getattr(recipe, key))} where {wanted} should be")
    if recipe.name in RECIPES or recipe.name == RANDOM_RECIPE:
        raise UserError(f"name: there is a recipe {recipe.name!r} already; choose another")
    own = [name for name, trick in TRICKS.items() if trick.field is None]
    for name in recipe.tricks:
        if name not in own:
            there = f"there are {', '.join(own)}" if own else "there are none; give yours with --plugin FILE.py"
            raise UserError(f"tricks.{name}: no such trick; {did_you_mean(str(name), own)}{there}")
    for name in TRICKS:
        _check_value(recipe, name)
    if recipe.warmup_epochs >= recipe.epochs:
        raise UserError(f"warmup_epochs is {recipe.warmup_epochs}, and epochs {recipe.epochs}: make it less")
    if recipe.schedule == "step" and any(each >= recipe.epochs for each in recipe.milestones):
        raise UserError(f"milestones is {list(recipe.milestones)}, and epochs {recipe.epochs}: make them less")
    check_tricks(recipe)


def _check_value(recipe: Recipe, name: str) -> None:
    trick, value = TRICKS[name], value_of(recipe, name)
    if trick.lowest is not None:
        fits = _number(value) and (value == trick.off or trick.lowest < value < trick.highest)
        if not fits and value is not trick.off:
            key = trick.field or f"tricks.{name}"
            raise UserError(f"{key} is {shown(value)} where {trick.off:g} or a number {bounds(trick)} should be")
    elif trick.field is None and (type(value) is not type(trick.on) or value not in (trick.on, trick.off)):
        raise UserError(f"tricks.{name} is {shown(value)} where {trick.on!r} should be; leave it out to do without")
