"""One row, one metric: mean and interval over seeds, difference from the baseline, the paper's number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from studies.results.paper import PaperNumber
from studies.results.replicates import Noise, replicates_by_seed
from studies.results.run_record import FIXED, Run
from studies.results.units import group_by_unit
from studies.statistics.bootstrap import image_interval
from studies.statistics.looks import Looks, subtract_at_looks
from studies.statistics.seeds import PAIRED, Difference, Interval, Seeds, standard_deviation, student_interval, subtract
from studies.statistics.verdict import Verdict
from transfer.catalogue import further_names, metric_names


@dataclass(frozen=True)
class Cell:
    """One row, one metric, over seeds; ``mean`` is None when nothing was measured.

    Attributes:
        seeds: In ascending order.
        values: Theirs, in percent.
        mean: Of the values.
        interval: Student's t interval over seeds; None below two.
        difference: From the baseline; None for the baseline itself, and where either has nothing.
        paper: The paper's number; None where it has none.
        sd: Standard deviation over seeds; None below two.
        image_interval: Over test images, the runs held fixed; None without their per-image results.
        verdict: On the difference; None for the baseline itself, where nothing was measured, and before
            ``studies.comparison.judging`` has seen all rows.
        paper_verdict: The same beside the paper's difference; None also where the paper has none.
    """

    seeds: tuple[int | None, ...]
    values: tuple[float, ...]
    mean: float | None
    interval: Interval | None
    difference: Difference | None
    paper: PaperNumber | None
    sd: float | None = None
    image_interval: Interval | None = None
    verdict: Verdict | None = None
    paper_verdict: Verdict | None = None

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)


def make_cell(
    mine: Seeds, baseline: Seeds | None, paper: PaperNumber | None = None, looks: Looks | None = None
) -> Cell:
    """A row's values of one metric, and the baseline's; None when the row is the baseline itself.

    ``looks`` are those of a study that adds seeds where a verdict is open.
    """
    values = list(mine.values())
    difference = None
    if baseline is not None:
        difference = subtract_at_looks(mine, baseline, looks) if looks else subtract(mine, baseline)
    return Cell(
        seeds=tuple(mine),
        values=tuple(values),
        mean=fmean(values) if mine else None,
        interval=student_interval(values),
        difference=difference,
        paper=paper,
        sd=standard_deviation(values),
    )


def measure_cell(
    metric: str,
    mine: Sequence[Run],
    baseline: Sequence[Run] | None,
    noise: Noise,
    arm: str = FIXED,
    paper: PaperNumber | None = None,
    looks: Looks | None = None,
) -> Cell:
    """``make_cell`` of a row's runs and the baseline's, with intervals over test images where ``noise`` knows all."""
    values = values_by_seed(mine, metric, arm)
    reference = None if baseline is None else values_by_seed(baseline, metric, arm)
    cell = make_cell(values, reference, paper, looks)
    known = replicates_by_seed(noise, mine, metric, arm)
    if not values or set(values) - set(known):
        return cell
    cell = replace(cell, image_interval=image_interval(list(known.values())))
    known_reference = replicates_by_seed(noise, baseline or (), metric, arm)
    if cell.difference is None or reference is None or set(reference) - set(known_reference):
        return cell
    # Over the seeds that the difference itself is over.
    shared = set(values) & set(reference) if cell.difference.test == PAIRED else {*values, *reference}
    if looks and (reached := looks.reached(values, reference)):
        shared &= {*looks.at(values, reached), *looks.at(reference, reached)}
    pairs = [[replicates for seed, replicates in each.items() if seed in shared] for each in (known, known_reference)]
    return replace(cell, difference=replace(cell.difference, image_interval=image_interval(*pairs)))


def shown_metrics(runs: Iterable[Run]) -> list[str]:
    """The metrics of a comparison: the usual ones, and those of the further ones that some run has."""
    measured = {metric for run in runs for metric in run.metrics}
    return [*metric_names(), *(metric for metric in further_names() if metric in measured)]


def values_by_seed(runs: Sequence[Run], metric: str, arm: str = FIXED) -> dict[int | None, float]:
    """A row's values of one metric in one arm, by the unit that ``studies.results.units`` counts: mostly a training.

    Several transfers of a training are one value, their mean. Top-1 comes from classification runs. Without any it is
    what the transferred bundles say, once per backbone: three transfers of one backbone are still one measurement of
    its accuracy.
    """
    measured = [run for run in runs if run.arm == arm and metric in run.metrics]
    values = {
        unit: fmean(run.metrics[metric] for run in group) for unit, group in group_by_unit(runs, measured).items()
    }
    if metric == "top1" and not values:
        known = (run.backbone for run in runs if run.backbone.get("top1") is not None)
        values = {backbone.get("seed"): backbone["top1"] for backbone in known}
    return values
