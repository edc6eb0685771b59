"""The comparison: means per recipe and metric, differences from the baseline row, the paper's numbers beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from transfer.baseline import DEFAULT_BASELINE, choose_baseline, missing_note
from transfer.cells import FURTHER_NAMES, Cell, judge_rows, measure_cell, shown_metrics
from transfer.counterparts import counterpart_notes
from transfer.fairness import classification_settings, fairness_notes
from transfer.image_noise import Noise, read_noise
from transfer.losses import LossRow, loss_rows
from transfer.paper import RANDOM_RECIPE, PaperRow, find_row, paper_number, recipe_order, setting
from transfer.rank_correlation import Correlation, correlations
from transfer.result_file import Run
from transfer.results import RunTree, read_tree
from transfer.statistics import CONFIDENCE, SIGNIFICANCE
from transfer.tuned import TunedRow, TunedTask, tuned_tasks, tuning_notes
from transfer.verdict import LARGEST_MARGIN

_PERCENT = f"{CONFIDENCE * 100:.0f} %"


@dataclass(frozen=True)
class Row:
    """One recipe on one network; ``runs`` are paths of result files below the compared folder.

    ``settings`` are those of its classification runs, each with its different values. ``stands_for`` is the paper's
    recipe that public weights stand beside.
    """

    name: str
    recipe: str
    network: str
    paper_network: str | None
    cells: dict[str, Cell]
    runs: tuple[str, ...]
    settings: dict[str, list[Any]]
    stands_for: str | None = None

    @property
    def paper_recipe(self) -> str:
        """The recipe to look for in the paper."""
        return self.stands_for or self.recipe


@dataclass(frozen=True)
class _Reference:
    """What the rows are compared with: recipe and network, finished runs, and the paper's row."""

    row: tuple[str, str]
    runs: Sequence[Run]
    paper: PaperRow | None


@dataclass(frozen=True)
class Comparison:
    """Everything the report shows; ``notes`` say how to read it.

    The cells of ``rows`` are the fixed arm's, and top-1, which is the same in both arms; ``tuned`` has the tasks that
    have tuned runs. ``correlations`` are of the fixed arm, over its rows. ``losses`` are differences from the row with
    cosine decay, which the paper has below it. ``tree`` has the runs that all this was made of.
    """

    root: Path
    baseline: str
    rows: tuple[Row, ...]
    unfinished: tuple[str, ...]
    notes: tuple[str, ...]
    tree: RunTree
    tuned: tuple[TunedTask, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    losses: tuple[LossRow, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def baseline_row(self) -> Row | None:
        """None where no run of it is finished; then nothing is compared with it."""
        return next((row for row in self.rows if row.name == self.baseline), None)


def compare_runs(
    root: str | Path,
    baseline: str | None = None,
    remarks: Sequence[str] = (),
    counterparts: Mapping[str, str] = MappingProxyType({}),
) -> Comparison:
    """Compare all finished runs below a folder with one of their rows.

    Args:
        root: Folder that holds run folders, at any depth.
        baseline: Recipe or "recipe (network)"; None takes b-standard. If no run of it is finished, there are no
            differences from it, and the notes say so.
        remarks: What readers are to know first; they come before the notes.
        counterparts: The paper's recipe by the name of public weights that stand beside it.

    Raises:
        UserError: The runs cannot be compared (see ``transfer.results.read_tree``), or there is no such row, neither
            here nor in the paper.
    """
    tree = read_tree(Path(root))
    grouped = tree.rows()
    order = sorted(grouped, key=lambda key: _position(counterparts.get(key[0], key[0]), key))
    several = len({network for _, network in order}) > 1
    names = {key: f"{key[0]} ({key[1]})" if several else key[0] for key in order}
    chosen = choose_baseline(names, baseline, [run.row for run in tree.unfinished])
    chosen_name = names.get(chosen) or baseline or DEFAULT_BASELINE
    metrics = shown_metrics(run for run in tree.finished if not run.tuned)
    noise = read_noise(tree.finished)
    reference = grouped.get(chosen, [])
    baseline_recipe = counterparts.get(chosen[0], chosen[0])
    compared_with = _Reference(chosen, reference, find_row(baseline_recipe, ""))
    rows = _judged(
        _row(names[key], grouped[key], compared_with, counterparts.get(key[0]), metrics, tree.root, noise)
        for key in order
    )
    named = {names[key]: grouped[key] for key in order}
    tuned = tuned_tasks(named, chosen_name, tree.root, noise)
    missing = [] if reference else [missing_note(chosen_name)]
    imported = counterpart_notes([recipe for recipe, _ in order], counterparts)
    warnings = (*remarks, *missing, *fairness_notes(named), *tuning_notes(named, chosen_name))
    return Comparison(
        root=tree.root,
        baseline=chosen_name,
        rows=rows,
        unfinished=tuple(_unfinished(run, tree.root) for run in tree.unfinished),
        notes=(*warnings, *imported, *_notes(tree, rows, tuned, chosen_name, baseline_recipe)),
        remarks=tuple(remarks),
        tree=tree,
        tuned=tuned,
        correlations=correlations({row.name: (row.paper_recipe, row.cells) for row in rows}),
        losses=loss_rows(named, chosen_name, noise),
    )


def _unfinished(run: Run, root: Path) -> str:
    what = f"{'tuned ' if run.tuned else ''}{run.task} of {run.recipe} ({run.network}), seed {run.seed}"
    return f"{run.path.parent.relative_to(root)}: {what}"


def _position(paper_recipe: str, key: tuple[str, str]) -> tuple[int, str, str]:
    """Random first, then the paper's order, then the alphabet."""
    known = (RANDOM_RECIPE, *recipe_order())
    return (known.index(paper_recipe) if paper_recipe in known else len(known)), *key


def _row(
    name: str,
    runs: Sequence[Run],
    baseline: _Reference,
    stands_for: str | None,
    metrics: Sequence[str],
    root: Path,
    noise: Noise,
) -> Row:
    recipe, network = runs[0].row
    paper = find_row(stands_for or recipe, network)
    reference = None if baseline.row == (recipe, network) else baseline.runs
    cells = {
        metric: measure_cell(metric, runs, reference, noise, paper=paper_number(metric, paper, baseline.paper))
        for metric in metrics
    }
    paths = tuple(run.path.relative_to(root).as_posix() for run in runs if not run.tuned)
    settings = classification_settings(runs)
    return Row(name, recipe, network, paper and paper.network, cells, paths, settings, stands_for)


def _judged(rows: Iterable[Row]) -> tuple[Row, ...]:
    found = list(rows)
    judged = judge_rows([row.cells for row in found])
    return tuple(replace(row, cells=cells) for row, cells in zip(found, judged, strict=True))


def _notes(
    tree: RunTree, rows: Sequence[Row], tuned: Sequence[TunedTask], baseline: str, recipe: str
) -> tuple[str, ...]:
    shown = [*rows, *(row for task in tuned for row in task.rows)]
    notes = []
    if any(row.name == baseline for row in rows):
        notes.append(f'Δ: difference from the row "{baseline}" in points, paired by seed.')
    if any(cell.n > 1 for row in shown for cell in row.cells.values()):
        notes.append(
            f"± seeds: half the width of the {_PERCENT} Student-t interval of the mean over seeds; n: seeds, and "
            "under Δ those that both rows have (0: none, so Δ is the difference of the means). n=1, no interval."
        )
    else:
        notes.append("n=1, no interval: one seed per row does not tell a difference from noise.")
    notes += _image_note(shown) + _verdict_notes(rows) + _metric_notes(shown)
    if any(run.task != "classification" for run in tree.finished):
        notes.append(
            "proof: in every transfer all tensors of the backbone arrived in the built model and gave the classifier's "
            "features; proof.json and ledger.json in the run folders."
        )
    notes += _paper_note(rows, baseline, recipe) + _backbone_note(tree, rows, shown) + _protocol_notes(tree)
    return tuple(notes)


def _image_note(shown: Sequence[Row | TunedRow]) -> list[str]:
    if not any(cell.image_interval for row in shown for cell in row.cells.values()):
        return []
    return [
        f"± images: half the width of the {_PERCENT} bootstrap interval over test images, the trained models held "
        "fixed: what other test images would change, and nothing of what another seed would."
    ]


def _verdict_notes(rows: Sequence[Row]) -> list[str]:
    judged = [row for row in rows for cell in row.cells.values() if cell.verdict and cell.difference.pairs > 1]
    if not judged:
        return []
    networks = ", ".join(sorted({row.network for row in judged}))
    return [
        f"verdict: whether the sign of the paper's Δ appears here, on {networks} and these data, and nothing about "
        f"{setting()}. reproduced, opposite: paired t test over seeds, p at most {SIGNIFICANCE} after Holm's "
        f"correction over the rows of the metric; no difference: the {_PERCENT} interval is within half the paper's "
        f"Δ, at most {LARGEST_MARGIN:g} point, of 0. n needed: seeds at which the interval, its spread as it is, could "
        "not hold both 0 and the paper's Δ."
    ]


def _metric_notes(shown: Sequence[Row | TunedRow]) -> list[str]:
    notes = [
        "mAP 07: average precision at 11 points, as VOC2007 has it; mAP area: under the whole curve, as VOC has had it "
        "since 2010. The paper does not say which one it means; its mAP stands beside the first.",
        "mIoU, pixAcc: whole images at one scale. The paper does not say whether Table 9 averages over scales, as the "
        "method that it follows does at evaluation.",
    ]
    if any(metric in row.cells for row in shown for metric in FURTHER_NAMES):
        notes.append(
            "AP, AP50, AP75: COCO's average precision, mean over IoU thresholds and at two of them; multi: predictions "
            "averaged over scales and flips. The paper stands beside none of them."
        )
    return notes


def _paper_note(rows: Sequence[Row], baseline: str, recipe: str) -> list[str]:
    here = [row for row in rows if row.paper_network]
    if not here:
        return [f"paper: {setting()}; Tables 8 and 9 have none of these rows."]
    if find_row(recipe, ""):
        note = f"paper: {setting()}; Tables 8 and 9, Δ against the paper's own row of the baseline's name."
    else:
        note = f'paper: {setting()}; Tables 8 and 9, without Δ because the paper has no row "{baseline}".'
    networks = sorted({row.network for row in here if row.network != row.paper_network})
    if networks:
        return [f"{note} The runs of {', '.join(networks)} say nothing about {setting()}, nor the paper about them."]
    return [f"{note} Comparable with these runs only where data and downstream protocol are the paper's."]


def _backbone_note(tree: RunTree, rows: Sequence[Row], shown: Sequence[Row | TunedRow]) -> list[str]:
    """A row of many transfers of one backbone does not sample the backbone's own training noise."""
    single = []
    sampled = {row.name for row in shown for metric, cell in row.cells.items() if metric != "top1" and cell.n > 1}
    for row, runs in zip(rows, (tree.rows()[row.recipe, row.network] for row in rows), strict=True):
        backbones = {run.backbone["sha256"] for run in runs if run.backbone.get("sha256")}
        if len(backbones) == 1 and row.name in sampled:
            single.append(row.name)
    if not single:
        return []
    return [
        f"One trained backbone each: {', '.join(single)}. Their ± and verdicts cover the transfer's noise, not the "
        "training's."
    ]


def _protocol_notes(tree: RunTree) -> list[str]:
    protocols: dict[str, dict[str, None]] = {}
    for run in tree.finished:
        if run.tuned:
            task, hashed = f"{run.task}, tuned", f" (config {run.fixed_hash} without what was tuned)"
        else:
            task, hashed = run.task, f" (config {run.config_hash})" if run.config_hash else ""
        protocols.setdefault(task, {})[f"{run.protocol or 'unnamed'}{hashed}"] = None
    return [f"{task}: {', '.join(names)}." for task, names in sorted(protocols.items())]
