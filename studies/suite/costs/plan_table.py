"""``--plan``: what would run, what is there already, and what it would cost."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from backbones.reporting.numbers import two_digits
from backbones.runs.locks import Owner
from studies.suite.costs.estimate import UNKNOWN, Estimate, Estimator
from studies.suite.costs.stated_speeds import GPU as STATED_GPU
from studies.suite.executors.process import claim
from studies.suite.planned_run import ID_DIGITS, PlannedRun
from transfer.catalogue import TASKS

WIDTH = 100  # of the notes below the table
DONE, AT_WORK, TO_CONTINUE, TO_DO = "done", "at work", "to continue", "to do"

Estimates = Mapping[str, Estimate]  # by the runs' names


@dataclass(frozen=True)
class Price:
    """What an hour of one device costs; ``currency`` as it is to be printed, "" where it was not said."""

    per_hour: float
    currency: str = ""

    def of(self, amount: str) -> str:
        """An amount with its currency."""
        return f"{amount} {self.currency}".strip()


def plan_lines(
    runs: Sequence[PlannedRun], estimator: Estimator, price: Price | None, commands: bool = False
) -> Iterator[str]:
    """The plan as text.

    Args:
        runs: In order.
        estimator: For those that are not done.
        price: None: not asked for.
        commands: One line per run, with its id, what it waits for and its command, and not one per row and task.
    """
    estimates = {run.name: estimator.of(run) for run in runs if _costs(run)}
    numbers = {basis: number for number, basis in enumerate(_bases(runs, estimates), 1)}
    yield from _listing(runs, estimates, numbers) if commands else _table(runs, estimates, numbers)
    yield ""
    if numbers:
        yield from _notes(numbers, estimates)
        yield ""
    yield from _sums(runs, estimates, price)
    yield from textwrap.wrap(_unknown(estimates, price), WIDTH)


def state_of(run: PlannedRun) -> str:
    """What is there of a run."""
    if run.done:
        return DONE
    if run.claim.exists():
        lock = claim(run)
        if isinstance(lock, Owner):
            return AT_WORK
        lock.close()
    return TO_CONTINUE if run.begun else TO_DO


def _costs(run: PlannedRun) -> bool:
    """Whether it is still to be paid for; an import takes seconds."""
    return run.kind in TASKS and not run.done


def _bases(runs: Iterable[PlannedRun], estimates: Estimates) -> list[str]:
    """In the order in which the table has them."""
    found = (estimates[run.name].basis for group in _by_row(runs) for run in group if run.name in estimates)
    return [basis for basis in dict.fromkeys(found) if basis != UNKNOWN]


def _by_row(runs: Iterable[PlannedRun]) -> list[list[PlannedRun]]:
    """Runs of one row and task, whatever their seed, in the order of the rows' first."""
    rows = {name: place for place, name in enumerate(dict.fromkeys(run.row for run in runs))}
    kinds = ("import", *TASKS)
    ordered = sorted(runs, key=lambda run: (rows[run.row], kinds.index(run.kind)))
    return [list(group) for _, group in groupby(ordered, key=lambda run: (run.row, run.kind))]


def _notes(numbers: Mapping[str, int], estimates: Estimates) -> Iterator[str]:
    """Whose figures the hours are."""
    for basis, number in numbers.items():
        yield from textwrap.wrap(f"[{number}] {basis}", WIDTH, subsequent_indent="    ")
    if any(each.device == STATED_GPU for each in estimates.values()):
        yield "Newer GPUs than the V100 need fewer hours, as long as they do not wait for images."


def _table(runs: Sequence[PlannedRun], estimates: Estimates, numbers: Mapping[str, int]) -> Iterator[str]:
    lines = [("row", "task", "runs", "each", "together", "")]
    for group in _by_row(runs):
        counts = Counter(state_of(run) for run in group)
        states = ", ".join(f"{counts[state]} {state}" for state in (DONE, AT_WORK, TO_CONTINUE, TO_DO) if counts[state])
        costs = [estimates[run.name] for run in group if run.name in estimates]
        lines.append((group[0].row, group[0].kind, states, *_cells(costs, numbers)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for row, task, states, each, total, what in lines:
        line = f"{row:<{widths[0]}}  {task:<{widths[1]}}  {states:<{widths[2]}}  "
        yield f"{line}{each:>{widths[3]}}  {total:>{widths[4]}}  {what}".rstrip()


def _cells(costs: Sequence[Estimate], numbers: Mapping[str, int]) -> tuple[str, str, str]:
    """Hours of each of some runs, hours of all, and of what device, by whose figures."""
    known = [each.hours for each in costs if each.hours is not None]
    if not known:
        return "", "", UNKNOWN if costs else ""
    bases = dict.fromkeys(f"{each.device}-hours [{numbers[each.basis]}]" for each in costs if each.hours is not None)
    return two_digits(sum(known) / len(known)), two_digits(sum(known)), ", ".join(bases)


def _listing(runs: Sequence[PlannedRun], estimates: Estimates, numbers: Mapping[str, int]) -> Iterator[str]:
    width = max(len(run.name) for run in runs)
    yield f"{'run':<{width}}  {'id':<{ID_DIGITS}}  {'state':<11}  takes"
    for run in runs:
        hours, _, what = _cells([estimates[run.name]] if run.name in estimates else [], numbers)
        takes = f"{hours} {what}".strip()
        yield f"{run.name:<{width}}  {run.digest[:ID_DIGITS]}  {state_of(run):<11}  {takes}".rstrip()
        if run.needs and not run.done:
            yield f"{'':<4}after {', '.join(run.needs)}"
        yield f"{'':<4}{run.printed}"


def _sums(runs: Sequence[PlannedRun], estimates: Estimates, price: Price | None) -> Iterator[str]:
    """By stage and together."""
    done = sum(run.done for run in runs)
    yield f"{len(runs)} runs: {done} done, {len(runs) - done} to do"
    stages = {task: [run for run in runs if run.kind == task] for task in TASKS}
    for task, among in stages.items():
        if among:
            yield f"{task:<14}  {len(among):>4} runs  {_sum(among, estimates, price)}"
    yield f"{'all':<14}  {len(runs):>4} runs  {_sum(runs, estimates, price)}"
    if price is not None and any(each.hours is not None for each in estimates.values()):
        yield f"at {price.of(f'{price.per_hour:g}')} an hour of one device"
    if any(state_of(run) == TO_CONTINUE for run in runs):
        yield "Runs to continue are reckoned from their beginning."


def _sum(runs: Iterable[PlannedRun], estimates: Estimates, price: Price | None) -> str:
    costs = [estimates[run.name] for run in runs if run.name in estimates]
    hours: dict[str, float] = {}
    for each in costs:
        if each.hours is not None:
            hours[each.device] = hours.get(each.device, 0.0) + each.hours
    if not costs:
        return "nothing to pay for"
    if not hours:
        return UNKNOWN
    word = "at least" if any(each.hours is None for each in costs) else "about"
    said = " and ".join(f"{two_digits(each)} {device}-hours" for device, each in hours.items())
    paid = f", {price.of(two_digits(sum(hours.values()) * price.per_hour))}" if price is not None else ""
    return f"{word} {said}{paid}"


def _unknown(estimates: Estimates, price: Price | None) -> str:
    """What nobody knows the time of, and how to know it; nothing where all is known."""
    missing = sum(each.hours is None for each in estimates.values())
    if not missing:
        return ""
    without = "No price: " if price is not None and missing == len(estimates) else ""
    return (
        f"{without}unknown for {missing} runs: none like them is finished in this folder on this kind of device, and "
        "nobody states a figure (docs/suites.md has those that there are); finish one of each kind, and ask again."
    )
