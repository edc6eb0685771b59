"""The comparison: means per recipe and metric, differences from the baseline row, the paper's numbers beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from backbones.cli.keywords import as_path, is_list_of_texts
from backbones.errors import UserError
from backbones.recipes.recipe import RANDOM_RECIPE
from studies.comparison.against_cosine import DropRow, drop_rows
from studies.comparison.baseline import DEFAULT_BASELINE, choose_baseline, missing_note
from studies.comparison.cells import measure_cell, shown_metrics
from studies.comparison.correlations.rank_correlation import Correlation, correlations
from studies.comparison.correlations.seed_correlation import SeedCorrelation, seed_correlations
from studies.comparison.fairness import classification_settings, fairness_notes
from studies.comparison.judging import TOP1, judge_and_plan
from studies.comparison.public_weights import check_stated_recipes, stated_recipe_notes
from studies.comparison.reading_notes import reading_notes
from studies.comparison.rows import Row, call_rows
from studies.comparison.tuned_arm import TunedTask, tuned_tasks, tuning_notes
from studies.results.paper import PaperRow, find_row, paper_number, recipe_order
from studies.results.replicates import Noise, read_noise
from studies.results.run_record import Run
from studies.results.run_tree import RunTree, read_tree
from studies.results.settings import read_settings
from studies.results.units import unit_notes
from studies.statistics.variance import Components, noise_components
from studies.statistics.verdict import direction_of
from transfer.catalogue import metric_names


@dataclass(frozen=True)
class _Reference:
    """What the rows are compared with: recipe and network, finished runs, and the paper's row."""

    row: tuple[str, str]
    runs: Sequence[Run]
    paper: PaperRow | None


@dataclass(frozen=True)
class Comparison:
    """Everything the report shows; ``notes`` say how to read it. The paper knows the baseline as ``baseline_recipe``.

    The cells of ``rows`` are the fixed arm's, and top-1, which is the same in both arms; ``tuned`` has the tasks that
    have tuned runs. ``correlations`` are of the fixed arm, over its rows. ``drops`` are differences from the row with
    cosine decay, which the paper has below it. ``components`` and ``seed_correlations`` say where the fixed arm's noise
    comes from. ``tree`` has the runs that all this was made of.
    """

    root: Path
    baseline: str
    baseline_recipe: str
    rows: tuple[Row, ...]
    unfinished: tuple[str, ...]
    notes: tuple[str, ...]
    tree: RunTree
    tuned: tuple[TunedTask, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    drops: tuple[DropRow, ...] = ()
    remarks: tuple[str, ...] = ()
    components: tuple[Components, ...] = ()
    seed_correlations: tuple[SeedCorrelation, ...] = ()

    @property
    def baseline_row(self) -> Row | None:
        """None where no run of it is finished; then nothing is compared with it."""
        return next((row for row in self.rows if row.name == self.baseline), None)


def check_comparison(function: str, value: object) -> None:
    """Whether a value is a comparison.

    Raises:
        UserError: It is something else, a folder of runs perhaps; the message names the function that wants one.
    """
    if not isinstance(value, Comparison):
        raise UserError(f"{function}() takes what compare_runs() returns, not a value of type {type(value).__name__}")


def compare_runs(
    root: str | Path,
    baseline: str | None = None,
    remarks: Sequence[str] = (),
    stated_recipes: Mapping[str, str] = MappingProxyType({}),
    row_names: Mapping[str, str] = MappingProxyType({}),
) -> Comparison:
    """Compare all finished runs below a folder with one of their rows.

    Args:
        root: Folder that holds run folders, at any depth.
        baseline: Recipe or "recipe (network)"; None takes b-standard. If no run of it is finished, there are no
            differences from it, and the notes say so.
        remarks: What readers are to know first; they come before the notes.
        stated_recipes: The paper's recipe by the name of public weights that stand beside it.
        row_names: What to call a row, by its recipe, in place of that.

    Raises:
        UserError: The runs cannot be compared (see ``studies.results.run_tree.read_tree``), or there is no such row,
            neither here nor in the paper, or no row of the public weights named; or an argument is of another type.
    """
    if not is_list_of_texts(remarks):
        raise UserError(f"compare_runs(remarks={remarks!r}): a list of texts is wanted")
    tree = read_tree(as_path(f"compare_runs({root!r})", root))
    return compare_tree(tree, baseline, remarks, stated_recipes, row_names)


def compare_settings(
    root: str | Path,
    baseline: str | None = None,
    remarks: Sequence[str] = (),
    stated_recipes: Mapping[str, str] = MappingProxyType({}),
    row_names: Mapping[str, str] = MappingProxyType({}),
) -> list[Comparison]:
    """As ``compare_runs``, and a comparison each where runs are of several data sets or protocols.

    The first has the measurements with most runs (``studies.results.settings``).

    Raises:
        UserError: See ``compare_runs``; runs that were not measured alike are none.
    """
    trees = read_settings(as_path(f"compare_settings({root!r})", root))
    rows = [run.row for tree in trees for run in (*tree.finished, *tree.unfinished)]
    return [compare_tree(tree, baseline, remarks, stated_recipes, row_names, rows) for tree in trees]


def compare_tree(
    tree: RunTree,
    baseline: str | None,
    remarks: Sequence[str],
    stated_recipes: Mapping[str, str],
    row_names: Mapping[str, str] = MappingProxyType({}),
    elsewhere: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """``compare_runs`` of runs that have been read; ``elsewhere`` has rows that may be named though none is here."""
    grouped = tree.rows()
    unfinished = [*(run.row for run in tree.unfinished), *elsewhere]
    check_stated_recipes(stated_recipes, (recipe for recipe, _ in (*grouped, *unfinished)))
    names = call_rows(_names(grouped, stated_recipes), row_names, unfinished)
    chosen = choose_baseline(names, baseline, unfinished)
    chosen_name = names.get(chosen) or baseline or DEFAULT_BASELINE
    metrics = shown_metrics(run for run in tree.finished if not run.tuned)
    noise, anew = _noise_and_counted_anew(tree)
    reference = grouped.get(chosen, [])
    baseline_recipe = stated_recipes.get(chosen[0], chosen[0])
    compared_with = _Reference(chosen, reference, find_row(baseline_recipe, ""))
    measured = [
        _row(name, grouped[key], compared_with, stated_recipes.get(key[0]), metrics, tree, noise)
        for key, name in names.items()
    ]
    rows = _judged(measured, chosen[0])
    named = {name: grouped[key] for key, name in names.items()}
    tuned = tuned_tasks(named, chosen_name, tree.root, noise, {row.name: _direction(row, chosen[0]) for row in rows})
    told = (
        *remarks,
        *([] if reference else [missing_note(chosen_name)]),
        *_counted_anew(anew),
        *fairness_notes(named),
        *tuning_notes(named, chosen_name),
        *stated_recipe_notes([recipe for recipe, _ in names], stated_recipes),
    )
    return Comparison(
        root=tree.root,
        baseline=chosen_name,
        baseline_recipe=baseline_recipe,
        rows=rows,
        unfinished=tuple(_unfinished(run, tree.root) for run in tree.unfinished),
        notes=(*told, *reading_notes(tree, rows, tuned, chosen_name, baseline_recipe), *unit_notes(named)),
        remarks=tuple(remarks),
        tree=tree,
        tuned=tuned,
        correlations=correlations({row.name: (row.paper_recipe, row.cells) for row in rows}),
        drops=drop_rows(named, chosen_name, noise, tree.looks),
        components=noise_components(grouped.values(), metrics),
        seed_correlations=seed_correlations(chosen_name, {row.name: row.cells for row in rows}),
    )


def _noise_and_counted_anew(tree: RunTree) -> tuple[Noise, Counter[str]]:
    """The noise over test images, whose reading may count metrics anew; and of how many runs, by metric."""
    recorded = [dict(run.metrics) for run in tree.finished]
    noise = read_noise(tree.finished)
    return noise, Counter(
        metric
        for run, before in zip(tree.finished, recorded, strict=True)
        for metric in before
        if run.metrics[metric] != before[metric]
    )


def _counted_anew(changed: Mapping[str, int]) -> list[str]:
    """What metrics of how many runs are not those of their ``result.json``, and why."""
    reasons = {"voc07_map": "with the recalls that published numbers have"}
    return [
        f"{metric_names()[metric]} of {runs} run{'s' * (runs > 1)} of an older version is counted anew from the "
        f"results per image, {reasons.get(metric, 'over the classes that the test labels hold')}."
        for metric, runs in changed.items()
    ]


def _unfinished(run: Run, root: Path) -> str:
    what = f"{'tuned ' if run.tuned else ''}{run.task} of {run.recipe} ({run.network}), seed {run.seed}"
    return f"{run.path.parent.relative_to(root)}: {what}"


def _names(keys: Iterable[tuple[str, str]], stated_recipes: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """What the rows are called, in their order: random first, then the paper's order, then the alphabet."""
    known = (RANDOM_RECIPE, *recipe_order())

    def position(key: tuple[str, str]) -> tuple[int, str, str]:
        recipe = stated_recipes.get(key[0], key[0])
        return (known.index(recipe) if recipe in known else len(known)), *key

    order = sorted(keys, key=position)
    several = len({network for _, network in order}) > 1
    return {key: f"{key[0]} ({key[1]})" if several else key[0] for key in order}


def _row(
    name: str,
    runs: Sequence[Run],
    baseline: _Reference,
    stands_for: str | None,
    metrics: Sequence[str],
    tree: RunTree,
    noise: Noise,
) -> Row:
    recipe, network = runs[0].row
    paper = find_row(stands_for or recipe, network)
    reference = None if baseline.row == (recipe, network) else baseline.runs
    cells = {
        metric: measure_cell(
            metric, runs, reference, noise, paper=paper_number(metric, paper, baseline.paper), looks=tree.looks
        )
        for metric in metrics
    }
    paths = tuple(run.path.relative_to(tree.root).as_posix() for run in runs if not run.tuned)
    settings = classification_settings(runs)
    return Row(name, recipe, network, paper.network if paper else None, cells, paths, settings, stands_for)


def _judged(rows: Sequence[Row], baseline_recipe: str) -> tuple[Row, ...]:
    directions = {
        place: _direction(row, baseline_recipe) for place, row in enumerate(rows) if _is_random(row, baseline_recipe)
    }
    judged = judge_and_plan([row.cells for row in rows], directions)
    return tuple(replace(row, cells=cells) for row, cells in zip(rows, judged, strict=True))


def _is_random(row: Row, baseline_recipe: str) -> bool:
    """Whether the row or the baseline was never pretrained: such a trunk has no top-1 that could be compared."""
    return RANDOM_RECIPE in (row.recipe, baseline_recipe)


def _direction(row: Row, baseline_recipe: str) -> int:
    """The direction of a judged row's top-1. A trunk that was never trained guesses, so it is below every other."""
    if _is_random(row, baseline_recipe):
        return (baseline_recipe == RANDOM_RECIPE) - (row.recipe == RANDOM_RECIPE)
    return direction_of(row.cells[TOP1].difference)
