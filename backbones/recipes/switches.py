"""Every refinement can be switched on or off on its own: ``--with NAME[=VALUE]``, ``--without NAME``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from backbones.errors import UserError
from backbones.recipes.recipe import Recipe
from backbones.tricks import TRICKS
from backbones.tricks.trick import EXCLUSIVE, Trick


def value_of(recipe: Recipe, name: str) -> Any:
    """What the recipe has for a trick; its ``off`` where it says nothing."""
    trick = TRICKS[name]
    return recipe.tricks.get(name, trick.off) if trick.field is None else getattr(recipe, trick.field)


def is_on(recipe: Recipe, name: str) -> bool:
    """Whether the recipe uses the trick; ``low-precision`` left to the machine counts as off."""
    return value_of(recipe, name) not in (TRICKS[name].off, None)


def tricks_with(recipe: Recipe, hook: str) -> list[tuple[Trick, Any]]:
    """The tricks that are on and have the hook, each with its value, in the order of ``TRICKS``."""
    return [
        (trick, value_of(recipe, name))
        for name, trick in TRICKS.items()
        if getattr(trick, hook) and is_on(recipe, name)
    ]


def trick_with(recipe: Recipe, hook: str) -> tuple[Trick, Any] | None:
    """The one that is on and has the hook, one of ``EXCLUSIVE``, with its value."""
    return next(iter(tricks_with(recipe, hook)), None)


def needs_teacher(recipe: Recipe) -> bool:
    """Whether a trick that is on learns from a teacher."""
    return bool(tricks_with(recipe, "needs_teacher"))


def check_tricks(recipe: Recipe) -> None:
    """Refuse tricks that exclude each other.

    Raises:
        UserError: Two that are on want the same place.
    """
    for hook in EXCLUSIVE:
        names = [name for name, trick in TRICKS.items() if getattr(trick, hook) and is_on(recipe, name)]
        if len(names) > 1:
            what = hook.replace("_", " ")
            raise UserError(f"{recipe.name}: {' and '.join(names)} both decide the {what}; switch one off (--without)")


def switch(recipe: Recipe, on: Sequence[str], off: Sequence[str]) -> Recipe:
    """The recipe with some tricks switched on (``NAME`` or ``NAME=VALUE``) and others off.

    Its name tells what changed: ``d-smooth +mixup -zero-gamma``. Asking for what the recipe does anyway changes
    nothing. The number of epochs stays: the paper's 200 for mixup belong to the recipes ``d-mixup`` and
    ``d-distill-mixup``.

    Raises:
        UserError: No such trick, a value it cannot have, one trick both on and off, or two that exclude each other.
    """
    chosen = [_parse(option) for option in on]
    names = [name for name, _ in chosen] + [_known(name, "--without") for name in off]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{', '.join(twice)}: named more than once in --with and --without; keep one")
    changed = recipe
    for name, value in (*chosen, *((name, TRICKS[name].off) for name in off)):
        changed = _with_value(changed, name, value)
    if marks := [_mark(changed, name) for name in TRICKS if value_of(recipe, name) != value_of(changed, name)]:
        name = " ".join((recipe.name, *marks))
        changed = replace(changed, name=name, summary=f"{recipe.summary}; changed: {' '.join(marks)}")
    check_tricks(changed)
    return changed if marks else recipe


def _with_value(recipe: Recipe, name: str, value: Any) -> Recipe:
    trick = TRICKS[name]
    if trick.field is not None:
        return replace(recipe, **{trick.field: value})
    others = {other: kept for other, kept in recipe.tricks.items() if other != name}
    return replace(recipe, tricks=others if value == trick.off else {**others, name: value})


def _known(name: str, option: str) -> str:
    if name not in TRICKS:
        own = "your own come with --plugin FILE.py, which a resumed run needs again"
        raise UserError(f"{option} {name}: no such trick; there are {', '.join(TRICKS)}; {own}")
    return name


def _parse(option: str) -> tuple[str, Any]:
    name, equals, text = option.partition("=")
    trick = TRICKS[_known(name, "--with")]
    if not equals:
        return name, trick.on
    if trick.lowest is None:
        raise UserError(f"--with {option}: {name} is on or off and takes no value; write --with {name}")
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"--with {option}: {text!r} is not a number; the paper's value is {trick.on:g}") from None
    if not trick.lowest < value < trick.highest:
        raise UserError(f"--with {option}: the value must be {bounds(trick)}; the paper's is {trick.on:g}")
    return name, value


def bounds(trick: Trick) -> str:
    """Which numbers a trick takes, in words."""
    return f"above {trick.lowest:g}" + (f" and below {trick.highest:g}" if trick.highest < float("inf") else "")


def _mark(recipe: Recipe, name: str) -> str:
    if not is_on(recipe, name):
        return f"-{name}"
    value = value_of(recipe, name)
    # Every digit: runs with different values must not go by the same name.
    return f"+{name}" if value == TRICKS[name].on else f"+{name}={str(value).removesuffix('.0')}"
