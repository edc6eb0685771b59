"""The table of an ablation: top-1 per row over seeds, what each trick changes, and the paper's numbers beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from backbones.recipes.paper import PaperResult, paper_results
from backbones.recipes.recipe import RECIPES, Recipe
from studies.ablation.rows import Ablation, AblationRow
from studies.comparison.fairness import fairness_notes
from studies.results.run_record import Run
from studies.results.run_tree import read_tree
from studies.statistics.seeds import CONFIDENCE, Difference, Interval, student_interval, subtract

METRIC = "top1"
NOT_RUN, UNFINISHED = "not run yet", "unfinished"


@dataclass(frozen=True)
class TableRow:
    """One row, in percent and points.

    ``values`` are by seed, ``missing`` says why a seed has none. ``interval`` is None below two seeds.
    """

    label: str
    recipe: str
    reference: str | None
    values: dict[int, float]
    missing: dict[int, str]
    mean: float | None
    interval: Interval | None
    difference: Difference | None
    paper: float | None
    paper_difference: float | None


@dataclass(frozen=True)
class AblationTable:
    """What the files show. ``paper_network`` is that of all the paper's numbers in it, None when there are none."""

    command: str
    network: str
    seeds: tuple[int, ...]
    rows: tuple[TableRow, ...]
    paper_network: str | None
    paper_tables: tuple[int, ...]
    notes: tuple[str, ...]


def ablation_table(ablation: Ablation, failures: Mapping[tuple[str, int], str]) -> AblationTable:
    """Read the finished runs of an ablation.

    Args:
        ablation: Its rows and seeds.
        failures: Last words of the runs that failed, by label and seed.

    Raises:
        UserError: The runs were not measured alike, or a file is not what it should be.
    """
    runs = _read_runs(ablation)
    values = {label: {run.seed: run.metrics[METRIC] for run in row} for label, row in runs.items()}
    paper, network = _paper_column(ablation)
    rows = []
    for row in ablation.rows:
        mine, reference = values[row.label], row.reference
        # Always paired: no verdict rests on these intervals, and rows share data order and initial weights by seed.
        difference = subtract(mine, values[reference], least_pairs=1) if reference else None
        theirs = paper.get(row.label), paper.get(reference or "")
        rows.append(
            TableRow(
                label=row.label,
                recipe=row.settled.name,
                reference=reference,
                values=mine,
                missing=_missing(ablation, row, mine, failures),
                mean=fmean(mine.values()) if mine else None,
                interval=student_interval(list(mine.values())),
                # Without a seed in common the seeds' own noise would pass for an effect.
                difference=difference if difference and difference.pairs else None,
                paper=theirs[0].top1 if theirs[0] else None,
                paper_difference=theirs[0].top1 - theirs[1].top1 if theirs[0] and theirs[1] else None,
            )
        )
    tables = tuple(sorted({result.table for result in paper.values()}))
    notes = (*_notes(ablation, rows), *_paper_notes(ablation, network, tables), *_fairness(ablation, runs))
    return AblationTable(ablation.asked, ablation.network, ablation.seeds, tuple(rows), network, tables, notes)


def _read_runs(ablation: Ablation) -> dict[str, list[Run]]:
    """The finished runs of each row, by label; what else lies in the folder is left out."""
    wanted = {ablation.folder(*key) / "result.json": key for key in ablation.runs()}
    finished: dict[str, list[Run]] = {row.label: [] for row in ablation.rows}
    if any(path.exists() for path in wanted):
        for run in read_tree(ablation.out).finished:
            if run.path in wanted:
                finished[wanted[run.path][0].label].append(run)
    return {label: sorted(runs, key=lambda run: run.seed) for label, runs in finished.items()}


def _missing(
    ablation: Ablation, row: AblationRow, values: Mapping[int, float], failures: Mapping[tuple[str, int], str]
) -> dict[int, str]:
    missing = {}
    for seed in ablation.seeds:
        if seed not in values:
            started = (ablation.folder(row, seed) / "run.json").exists()
            failed = failures.get((row.label, seed))
            missing[seed] = f"failed: {failed}" if failed else UNFINISHED if started else NOT_RUN
    return missing


def _paper_column(ablation: Ablation) -> tuple[dict[str, PaperResult], str | None]:
    """The paper's results by label, all on one network: this one if the paper has it, else the one with most rows."""
    found = {row.label: _paper_rows(row.settled) for row in ablation.rows}
    networks = [network for results in found.values() for network in dict.fromkeys(each.network for each in results)]
    if not networks:
        return {}, None
    network = max(
        networks,
        key=lambda name: (
            name == ablation.network,
            networks.count(name),
            name.partition("_")[0] == ablation.network.partition("_")[0],  # mobilenet_v1 beside mobilenet_v1_025
        ),
    )
    column = {}
    for label, results in found.items():
        if here := [result for result in results if result.network == network]:
            column[label] = here[0]
    return column, network


def _paper_rows(recipe: Recipe) -> list[PaperResult]:
    """What the paper has for this training, under whatever name."""
    names = [known.name for known in RECIPES.values() if _as_trained(known) == _as_trained(recipe)]
    return [result for name in names for result in paper_results(name)]


def _as_trained(recipe: Recipe) -> Recipe:
    """The recipe without its name; where it leaves the precision open, the paper's: 16 bits with batches of 1024."""
    precision = recipe.batch_size == 1024 if recipe.low_precision is None else recipe.low_precision
    return replace(recipe, name="", summary="", low_precision=precision)


def _notes(ablation: Ablation, rows: list[TableRow]) -> list[str]:
    notes = [f"{_difference_note(ablation.rows)}, in points, paired by seed: over the seeds that both rows have."]
    if any(len(row.values) > 1 for row in rows):
        percent = f"{CONFIDENCE * 100:.0f} %"
        notes.append(f"±: half the width of the {percent} Student-t interval of the mean over seeds; n: seeds.")
    else:
        notes.append("one seed: no interval, so a difference here cannot be told from noise.")
    notes += [f"{row.label}, seed {seed}: {why}" for row in rows for seed, why in row.missing.items()]
    return notes


def _difference_note(rows: tuple[AblationRow, ...]) -> str:
    above = {row.label: before.label for before, row in pairwise(rows)}
    others: dict[str, list[str]] = {}
    for row in rows:
        if row.reference and row.reference != above[row.label]:
            others.setdefault(row.reference, []).append(row.label)
    if len(others) == 1 and all(row.reference in (None, *others) for row in rows):
        return f'Δ: difference from the row "{next(iter(others))}"'
    exceptions = [f'of {", ".join(labels)} from the row "{reference}"' for reference, labels in others.items()]
    return "; ".join(["Δ: difference from the row above", *exceptions])


def _paper_notes(ablation: Ablation, network: str | None, tables: tuple[int, ...]) -> list[str]:
    if network is None:
        return ["paper: Tables 2 to 6 have none of these rows."]
    where = f"Table{'s' * (len(tables) > 1)} {', '.join(map(str, tables))}"
    if network != ablation.network:
        return [
            f"paper: {where}, {network} on ImageNet, which is not the network of these runs ({ablation.network}): for "
            "orientation, not for comparison."
        ]
    changed = f" and without the options of these runs ({' '.join(ablation.options)})" if ablation.options else ""
    return [f"paper: {where}, {network}. To be compared only with runs on ImageNet{changed}."]


def _fairness(ablation: Ablation, runs: Mapping[str, list[Run]]) -> list[str]:
    """Whether more than the tricks tells the rows apart; a precision that a row itself sets does not count."""
    rows = {}
    for row in ablation.rows:
        hidden = set() if row.settled.low_precision is None else {"precision"}
        kept = []
        for run in runs[row.label]:
            kept.append(replace(run, settings={k: v for k, v in run.settings.items() if k not in hidden}))
        if kept:
            rows[row.label] = kept
    return fairness_notes(rows)
