"""``--plan``: what would run, in which order, what is there already, and what it would cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backbones.locks import Owner
from transfer.suite.estimate import UNKNOWN, Estimate, Estimator
from transfer.suite.planned import ID_DIGITS, PlannedRun
from transfer.suite.process import claim


def plan_lines(runs: Sequence[PlannedRun], estimator: Estimator, price: float | None) -> Iterator[str]:
    """The plan as text.

    Args:
        runs: In order.
        estimator: For those that are not done.
        price: Of one device-hour, in whatever currency; None: not asked for.
    """
    estimates = {run.name: Estimate(0.0) if run.done else estimator.of(run) for run in runs}
    width = max(len(run.name) for run in runs)
    yield f"{'run':<{width}}  {'id':<{ID_DIGITS}}  {'state':<11}  estimate"
    for run in runs:
        estimate = "" if run.done else _hours(estimates[run.name])
        yield f"{run.name:<{width}}  {run.digest[:ID_DIGITS]}  {state_of(run):<11}  {estimate}".rstrip()
        if run.needs and not run.done:
            yield f"{'':<4}after {', '.join(run.needs)}"
        yield f"{'':<4}{run.printed}"
    yield ""
    yield from _totals(runs, estimates, price)


def state_of(run: PlannedRun) -> str:
    """What is there of a run."""
    if run.done:
        return "done"
    if run.claim.exists():
        lock = claim(run)
        if isinstance(lock, Owner):
            return "at work"
        lock.close()
    return "to continue" if run.begun else "to do"


def _hours(estimate: Estimate) -> str:
    if estimate.hours is None:
        return UNKNOWN
    return f"{estimate.hours:.2f} {estimate.device}-hours ({estimate.basis})"


def _totals(runs: Sequence[PlannedRun], estimates: Mapping[str, Estimate], price: float | None) -> Iterator[str]:
    open_runs = [run for run in runs if not run.done and run.kind != "import"]
    yield f"{len(runs)} runs: {sum(run.done for run in runs)} done, {len(runs) - sum(run.done for run in runs)} to do"
    totals: dict[str, float] = {}
    for run in open_runs:
        estimate = estimates[run.name]
        if estimate.hours is not None:
            totals[estimate.device] = totals.get(estimate.device, 0.0) + estimate.hours
    for device, hours in totals.items():
        cost = f", {hours * price:.2f} at {price:g} an hour" if price is not None else ""
        yield f"{hours:.2f} {device}-hours{cost}, from the beginning of each run"
    unknown = sum(estimates[run.name].hours is None for run in open_runs)
    if unknown:
        yield (
            f"unknown for {unknown} runs: nothing like them is finished in this folder; finish one of each kind, "
            "and ask again"
        )
