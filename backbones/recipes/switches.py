"""Every refinement of the paper can be switched on or off on its own: ``--with NAME[=VALUE]``, ``--without NAME``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from backbones.errors import UserError
from backbones.recipes.recipe import Recipe


@dataclass(frozen=True)
class Switch:
    """A trick as a recipe's field: its module in ``backbones.tricks``, and the field's values.

    ``on`` is the paper's value. ``lowest`` and ``highest`` bound a number that may be given instead, both excluded;
    None: the trick is on or off and takes no number.
    """

    field: str
    on: Any
    off: Any
    lowest: float | None = None
    highest: float = float("inf")


SWITCHES = {
    "linear-scaling": Switch("linear_scaling", True, False),
    "warmup": Switch("warmup_epochs", 5, 0, lowest=0, highest=120),  # the whole run, by the shortest recipe
    "zero-gamma": Switch("zero_gamma", True, False),
    "no-bias-decay": Switch("no_bias_decay", True, False),
    "low-precision": Switch("low_precision", True, False),
    "cosine": Switch("schedule", "cosine", "step"),
    "label-smoothing": Switch("label_smoothing", 0.1, 0.0, lowest=0, highest=1),
    "distillation": Switch("distillation", 20.0, 0.0, lowest=0),
    "mixup": Switch("mixup", 0.2, 0.0, lowest=0),
}


def is_on(recipe: Recipe, name: str) -> bool:
    """Whether the recipe uses the trick; ``low-precision`` left to the machine counts as off."""
    return getattr(recipe, SWITCHES[name].field) not in (SWITCHES[name].off, None)


def switch(recipe: Recipe, on: Sequence[str], off: Sequence[str]) -> Recipe:
    """The recipe with some tricks switched on (``NAME`` or ``NAME=VALUE``) and others off.

    Its name tells what changed: ``d-smooth +mixup -zero-gamma``. Asking for what the recipe does anyway changes
    nothing. The number of epochs stays: the paper's 200 for mixup belong to the recipes ``d-mixup`` and
    ``d-distill-mixup``.

    Raises:
        UserError: No such trick, a value it cannot have, or the same trick both on and off.
    """
    chosen = [_parse(option) for option in on]
    names = [name for name, _ in chosen] + [_known(name, "--without") for name in off]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{', '.join(twice)}: named more than once in --with and --without; keep one")
    changed = replace(
        recipe,
        **{SWITCHES[name].field: value for name, value in chosen},
        **{SWITCHES[name].field: SWITCHES[name].off for name in off},
    )
    marks = [_mark(changed, name) for name in SWITCHES if _differs(recipe, changed, name)]
    if not marks:
        return recipe
    name = " ".join((recipe.name, *marks))
    return replace(changed, name=name, summary=f"{recipe.summary}; changed: {' '.join(marks)}")


def _known(name: str, option: str) -> str:
    if name not in SWITCHES:
        raise UserError(f"{option} {name}: no such trick; there are {', '.join(SWITCHES)}")
    return name


def _parse(option: str) -> tuple[str, Any]:
    name, equals, text = option.partition("=")
    trick = SWITCHES[_known(name, "--with")]
    if not equals:
        return name, trick.on
    if trick.lowest is None:
        raise UserError(f"--with {option}: {name} is on or off and takes no value; write --with {name}")
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"--with {option}: {text!r} is not a number; the paper's value is {trick.on:g}") from None
    if not trick.lowest < value < trick.highest:
        bounds = f"above {trick.lowest:g}" + (f" and below {trick.highest:g}" if trick.highest < float("inf") else "")
        raise UserError(f"--with {option}: the value must be {bounds}; the paper's is {trick.on:g}")
    return name, value


def _differs(old: Recipe, new: Recipe, name: str) -> bool:
    return getattr(old, SWITCHES[name].field) != getattr(new, SWITCHES[name].field)


def _mark(recipe: Recipe, name: str) -> str:
    if not is_on(recipe, name):
        return f"-{name}"
    value = getattr(recipe, SWITCHES[name].field)
    # Every digit: runs with different values must not go by the same name.
    return f"+{name}" if value == SWITCHES[name].on else f"+{name}={str(value).removesuffix('.0')}"
