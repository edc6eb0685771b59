"""Classes that a split is said to have and does not hold: no fault, but nothing can be learnt or measured of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_MOST_NAMES = 10


def absent_classes(split: str, unit: str, per_class: Mapping[str, int]) -> list[str]:
    """One line that names the classes (the first ten, then a count) without a ``unit`` in a split; none if all have."""
    absent = [name for name, count in per_class.items() if not count]
    if not absent:
        return []
    others = len(absent) - _MOST_NAMES
    names = ", ".join(absent[:_MOST_NAMES]) + (f" and {others} more" if others > 0 else "")
    return [f"{split} has no {unit} of {len(absent)} classes: {names}"]


def tell(notes: Iterable[str]) -> None:
    """Print notes before a training begins, as ``tools/prepare_data.py check`` prints them."""
    for note in notes:
        print(f"note: {note}", flush=True)
