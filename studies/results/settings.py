"""One tree of runs taken apart into settings: of each task one downstream configuration, on one data set.

Runs of different settings are not compared with each other, only side by side. The first setting holds of each task the
measurement with most finished runs; every other measurement of a transfer is a setting of its own, with the top-1 of
its rows. Trainings on different data are told apart before that, and with them the transfers of their backbones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from backbones.errors import UserError
from studies.results.comparable import ROUNDING, check_comparable
from studies.results.run_record import Run
from studies.results.run_tree import RunTree, find_runs
from transfer.catalogue import CLASSIFICATION, transfers

Measurement = tuple[str | None, str | None]  # downstream configuration, data


def read_settings(root: Path) -> list[RunTree]:
    """The settings of a tree, each of which may be compared; one where all runs were measured alike.

    Raises:
        UserError: See ``studies.results.run_tree.read_tree``; runs that were not measured alike are none. Or nobody
            can tell which data a transferred backbone was trained on.
    """
    tree = find_runs(root)
    parts = [part for trained in _by_training_data(tree) for part in _by_measurement(trained)]
    for part in parts:
        check_comparable(part.finished)
    return parts


def _by_training_data(tree: RunTree) -> list[RunTree]:
    """Trees with trainings on one data set each, the larger first; transfers that start from none are in all."""
    trained = [run for run in tree.finished if run.task == CLASSIFICATION]
    known = list(dict.fromkeys(run.fingerprint for run in trained if run.fingerprint is not None))
    if len(known) < 2:
        return [tree]
    known.sort(key=lambda data: -sum(run.fingerprint == data for run in trained))
    homes = {id(run): _home(run, trained, known) for run in (*tree.finished, *tree.unfinished)}

    def inside(runs: Sequence[Run], data: str) -> list[Run]:
        return [run for run in runs if homes[id(run)] in (None, data)]

    return [
        replace(tree, finished=inside(tree.finished, data), unfinished=inside(tree.unfinished, data)) for data in known
    ]


def _home(run: Run, trained: Sequence[Run], known: Sequence[str]) -> str | None:
    """The data that a training, or that of a transferred backbone, was made with; None where it is none of those."""
    if run.task == CLASSIFICATION:
        return run.fingerprint if run.fingerprint in known else known[0]
    mine = [each for each in trained if each.row == run.row and each.seed == run.backbone.get("seed", run.seed)]
    top1 = run.backbone.get("top1")
    if top1 is not None:
        mine = [each for each in mine if abs(each.metrics.get("top1", top1) - top1) <= ROUNDING]
    found = {each.fingerprint for each in mine if each.fingerprint is not None}
    if len(found) > 1:
        raise UserError(
            f"{run.path} transfers a training of {run.recipe} ({run.network}) with seed {run.seed}, and there are such "
            f"trainings on {len(found)} data sets ({', '.join(str(each.path) for each in mine)}); keep these in "
            "different folders, each with its transfers"
        )
    return found.pop() if found else None


def _by_measurement(tree: RunTree) -> list[RunTree]:
    """The tree with the largest measurement of each transfer, then the others."""
    elsewhere: set[int] = set()  # identities of runs that are not in the first setting
    others: list[RunTree] = []
    for task in transfers():
        groups = _groups([run for run in tree.finished if run.task == task])
        unfinished = [run for run in tree.unfinished if run.task == task]
        homes = [_group_of(run, groups) for run in unfinished]
        for place, group in enumerate(groups[1:], 1):
            rows = {run.row for run in group}
            trained = [run for run in tree.finished if run.task == CLASSIFICATION and run.row in rows]
            waiting = [run for run, home in zip(unfinished, homes, strict=True) if home == place]
            others.append(replace(tree, finished=[*trained, *group], unfinished=waiting))
            elsewhere |= {id(run) for run in (*group, *waiting)}
    here = ([run for run in runs if id(run) not in elsewhere] for runs in (tree.finished, tree.unfinished))
    finished, unfinished = here
    return [replace(tree, finished=finished, unfinished=unfinished), *others]


def _groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs of one task by what measured them, the largest group first; tuned ones where the rest is as theirs."""
    groups: dict[Measurement, list[Run]] = {}
    fixed = [run for run in runs if not run.tuned]
    for run in sorted(fixed, key=lambda run: run.fingerprint is None):  # of an older version: it joins what is there
        groups.setdefault(_measurement(run, groups), []).append(run)
    found = sorted(groups.values(), key=lambda group: -len(group))
    for run in runs:
        if run.tuned:
            _join(run, found)
    return [sorted(group, key=lambda run: str(run.path)) for group in found]


def _measurement(run: Run, groups: Iterable[Measurement]) -> Measurement:
    if run.fingerprint is None:
        return next((key for key in groups if key[0] == run.config_hash), (run.config_hash, None))
    return run.config_hash, run.fingerprint


def _join(run: Run, groups: list[list[Run]]) -> None:
    """Into the group that it was tuned from: of its data, and alike in all that may not be tuned, if there is one."""

    def fit(group: Sequence[Run]) -> tuple[bool, bool]:
        same_data = any(run.fingerprint in (None, each.fingerprint) for each in group)
        return same_data, any(each.fixed_hash == run.fixed_hash for each in group)

    best = max(groups, key=fit, default=None)
    if best is None or not fit(best)[0]:
        groups.append([run])
    else:
        best.append(run)


def _group_of(run: Run, groups: Sequence[Sequence[Run]]) -> int:
    """Of an unfinished run, by its data and the name of its protocol."""

    def fit(place: int) -> tuple[bool, bool, int]:
        same_data = any(each.fingerprint == run.fingerprint for each in groups[place])
        return same_data, any(each.protocol == run.protocol for each in groups[place]), -place

    return max(range(len(groups)), key=fit, default=0)
