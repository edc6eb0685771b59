"""What an adaptive suite says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from studies.statistics.group_sequential import LEAST_CHANCE
from studies.statistics.looks import Looks
from studies.statistics.verdict import UNDECIDED
from studies.suite.adaptive.state import Question, Standing


def standing_lines(found: Mapping[Question, Standing], looks: Looks) -> Iterator[str]:
    """A line for every question: where it stands, and what comes next."""
    width = max((len(_name(question)) for question in found), default=0)
    for question, standing in found.items():
        yield f"{_name(question):<{width}}  {_words(standing, looks)}"


def closing_lines(found: Mapping[Question, Standing], looks: Looks) -> Iterator[str]:
    """How many questions are decided, and what it would take to decide the others."""
    undecided = {question: each for question, each in found.items() if each.undecided}
    yield f"{len(found) - len(undecided)} of {len(found)} questions are decided"
    for question, standing in undecided.items():
        needed = standing.verdict.seeds_needed if standing.verdict else None
        with_how_many = (
            f"{needed} seeds would decide it in 80 % of studies" if needed else "nobody can say how many seeds"
        )
        yield f"  {_name(question)}: {with_how_many}; the plan has {len(looks.seeds)}"


def _name(question: Question) -> str:
    row, task = question
    return f"{row}, {task}"


def _words(standing: Standing, looks: Looks) -> str:
    if not standing.looks:
        return f"no look yet; the first is at {looks.counts[0]} seeds"
    outcome = standing.verdict.outcome if standing.verdict else UNDECIDED
    said = f"{outcome} after {looks.counts[standing.looks - 1]} seeds"
    if standing.going_on:
        return f"{said}; goes on to {looks.counts[standing.looks]}"
    if not standing.undecided:
        return said
    if standing.looks == len(looks.counts):
        return f"{said}, which is all of them"
    return f"{said}, and given up: a chance below {LEAST_CHANCE * 100:.0f} % that {len(looks.seeds)} would decide it"
