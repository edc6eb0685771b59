"""Steps that take no time, in place of those of a GPU."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from backbones.errors import MachineError
from benchmarks.gpu.step import Found, Place, Step

if TYPE_CHECKING:
    from benchmarks.harness.contender import TurnReporter


def count(place: Place) -> int:
    """How many sittings there were, this one included."""
    file = place.scratch / "sittings"
    number = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(number))
    return number


def quick(place: Place) -> Found:
    return Found({"here": {"sittings": count(place)}}, ("a note",))


def broken(place: Place) -> Found:
    raise MachineError(f"sitting {count(place)} found no such thing")


def in_three(place: Place) -> Found:
    return Found({"here": {"sittings": count(place)}}, whole=count(place) >= 6)  # two counts in each sitting


def endless(place: Place) -> Found:
    count(place)
    time.sleep(600)
    return Found()


def waits_once(place: Place) -> Found:
    if count(place) == 1:
        time.sleep(600)
    return quick(place)


def tell_of_steps(reporter: TurnReporter, steps: int) -> None:
    """A contender's program."""
    for number in range(steps):
        reporter.step_done(number / 2)


STEPS = tuple(
    Step(work.__name__.replace("_", "-"), "tests", f"what {work.__name__} asks", 1, f"{__name__}:{work.__name__}")
    for work in (quick, broken, in_three, endless, waits_once)
)
