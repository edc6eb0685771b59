"""A tree of run folders, read and checked: which results there are, and whether they may be compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import read_json, sha256_file

METRICS = {
    "classification": ("top1", "top5"),
    "detection": ("voc07_map", "voc_map"),
    "segmentation": ("pixel_accuracy", "miou"),
}
# Two notes of one measurement may differ by rounding, two measurements hardly agree this well.
_ROUNDING = 0.01


@dataclass(frozen=True)
class Run:
    """What ``run.json`` or, of a finished run, ``result.json`` says.

    Attributes:
        path: That file.
        metrics: Metric to percent; empty for an unfinished run.
        config_hash: Of the downstream configuration.
        fingerprint: Of the data.
        backbone: Facts of the transferred backbone: "sha256", "seed", "top1"; those that are known.
        settings: How a classifier was trained: "epochs", "batch_size", "image_size", and so on.
    """

    path: Path
    task: str
    recipe: str
    network: str
    seed: int
    metrics: dict[str, float] = field(default_factory=dict)
    protocol: str | None = None
    config_hash: str | None = None
    fingerprint: str | None = None
    backbone: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def row(self) -> tuple[str, str]:
        """Recipe and network: the row of a comparison that this run belongs to."""
        return self.recipe, self.network


@dataclass(frozen=True)
class RunTree:
    """All runs under ``root``."""

    root: Path
    finished: list[Run]
    unfinished: list[Run]

    def rows(self) -> dict[tuple[str, str], list[Run]]:
        """Finished runs by (recipe, network), in each row by seed."""
        grouped: dict[tuple[str, str], list[Run]] = {}
        for run in sorted(self.finished, key=lambda run: run.seed):
            grouped.setdefault(run.row, []).append(run)
        return grouped


def read_tree(root: Path) -> RunTree:
    """Find every run folder under ``root``, links followed, and check that the finished runs may be compared.

    Raises:
        UserError: No folder, no finished run, a file that is not what it should be, two runs that claim the same place,
            or runs that were not measured alike.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; give the folder that holds the runs")
    finished, unfinished = [], []
    for folder, names in _folders(root):
        if "result.json" in names:
            finished.append(_read_run(folder / "result.json", finished=True))
        elif "run.json" in names:
            unfinished.append(_read_run(folder / "run.json", finished=False))
    if not finished:
        waiting = ", ".join(str(run.path.parent) for run in unfinished)
        state = f"only unfinished ones ({waiting}); continue them with --resume" if waiting else "none"
        raise UserError(f"no finished run under {root}: {state}")
    _check_measured_alike(finished)
    _check_no_duplicates(finished)
    _check_backbones(finished)
    return RunTree(root, finished, unfinished)


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder once, in alphabetical order, however many links lead to it."""

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot read {error.filename}: {error.strerror}")

    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders.sort()
        yield Path(folder), names


def _read_run(path: Path, finished: bool) -> Run:
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} does not hold a run; delete it or restore it")
    task = _text(path, content, "task")
    if task not in METRICS:
        raise UserError(f"{path}: unknown task {task!r}; known are {', '.join(METRICS)}")
    transfer = task != "classification"
    return Run(
        path=path,
        task=task,
        recipe=_text(path, content, "recipe"),
        network=_text(path, content, "network"),
        seed=_whole(path, "seed", content.get("seed")),
        metrics=_metrics(path, task, content.get("metrics")) if finished else {},
        protocol=content.get("protocol"),
        config_hash=_text(path, content, "config_hash") if finished and transfer else None,
        fingerprint=_section(path, content, "data").get("fingerprint"),
        backbone=_backbone(path, content),
        settings={} if transfer else _settings(path, content),
    )


def _text(path: Path, content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise UserError(f"{path}: {key!r} is {value!r} where a name should be; repeat the run")
    return value


def _whole(path: Path, key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError(f"{path}: {key!r} is {value!r} where a whole number should be; repeat the run")
    return value


def _section(path: Path, content: dict[str, Any], key: str) -> dict[str, Any]:
    section = content.get(key) or {}
    if not isinstance(section, dict):
        raise UserError(f"{path}: {key!r} is {section!r} where a section should be; repeat the run")
    return section


def _percent(path: Path, key: str, value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= 100:  # which is false for NaN
        raise UserError(f"{path}: {key} is {value!r}, which is no percentage; repeat the run")
    return float(value)


def _metrics(path: Path, task: str, metrics: Any) -> dict[str, float]:
    known = METRICS[task]
    if not isinstance(metrics, dict) or not any(metric in metrics for metric in known):
        raise UserError(f"{path}: 'metrics' holds neither {' nor '.join(known)}; repeat the run")
    return {metric: _percent(path, metric, metrics[metric]) for metric in known if metric in metrics}


def _backbone(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    backbone = dict(_section(path, content, "backbone"))
    if backbone.get("sha256") is not None:
        _text(path, backbone, "sha256")
    if backbone.get("top1") is not None:
        backbone["top1"] = _percent(path, "backbone.top1", backbone["top1"])
    if backbone.get("seed") is not None:
        backbone["seed"] = _whole(path, "backbone.seed", backbone["seed"])
    return backbone


def _settings(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The settings of a classification run, with the content of the weights that it started from."""
    settings = dict(_section(path, content, "settings"))
    if "epochs" in settings:
        settings["epochs"] = _whole(path, "settings.epochs", settings["epochs"])
    _section(path, settings, "recipe")
    start = _section(path, content, "init_from").get("sha256")
    return settings | ({"init_from": start[:12]} if isinstance(start, str) else {})


def _check_measured_alike(runs: Sequence[Run]) -> None:
    """Within a task, one downstream configuration and one data set."""
    for one, other in _disagreement(runs, lambda run: run.task, lambda run: run.config_hash):
        raise UserError(
            f"{one.path} and {other.path}: the downstream configurations differ (config_hash {one.config_hash} and "
            f"{other.config_hash}), so their {one.task} results cannot be compared; {_how_to_see(one, other)}. Repeat "
            "one of them with the other's configuration, or keep them in different folders"
        )
    for one, other in _disagreement(runs, lambda run: run.task, lambda run: run.fingerprint):
        raise UserError(
            f"{one.path} and {other.path}: the {one.task} data differ (fingerprint {one.fingerprint} and "
            f"{other.fingerprint}), so the results cannot be compared. Repeat one of them on the other's data, or keep "
            "them in different folders"
        )


def _how_to_see(one: Run, other: Run) -> str:
    dumped = [run.path.parent / "openmmlab" / f"{run.protocol}.py" for run in (one, other)]
    if all(file.is_file() for file in dumped):
        return f"see: diff {dumped[0]} {dumped[1]}"
    return "see 'protocol' and 'command' in both files"


def _check_no_duplicates(runs: Iterable[Run]) -> None:
    seen: dict[Hashable, Run] = {}
    for run in runs:
        first = seen.setdefault((run.task, run.row, run.seed), run)
        if first is not run:
            raise UserError(
                f"{first.path} and {run.path} are both {run.task} of {run.recipe} ({run.network}) with seed "
                f"{run.seed}; move one of them out of the tree"
            )


def _check_backbones(runs: Sequence[Run]) -> None:
    """Within a row, one backbone per training seed, and the one whose classification run is in the tree."""
    trained = {(run.row, run.seed): run for run in runs if run.task == "classification"}
    transfers = [run for run in runs if run.task != "classification"]
    for one, other in _disagreement(
        transfers, lambda run: (run.row, run.backbone.get("seed")), lambda run: run.backbone.get("sha256")
    ):
        raise UserError(
            f"{one.path} and {other.path} are of one row, {one.recipe} ({one.network}), but of different backbones "
            f"(sha256 {one.backbone['sha256']:.12} and {other.backbone['sha256']:.12}); repeat one with the other's"
        )
    for run in transfers:
        source = trained.get((run.row, run.backbone.get("seed")))
        if source is not None:
            _check_pair(run, source)


def _check_pair(transfer: Run, source: Run) -> None:
    """The transferred backbone is the one that the classification run wrote, so that its top-1 is the row's."""
    mine, theirs = transfer.backbone.get("top1"), source.metrics.get("top1")
    if mine is not None and theirs is not None and abs(mine - theirs) > _ROUNDING:
        raise UserError(
            f"{transfer.path} transferred a backbone of top-1 {mine:.2f}, but {source.path} says {theirs:.2f}: not the "
            "same training; repeat the transfer with that run's backbone"
        )
    bundle, checksum = source.path.parent / "backbone.safetensors", transfer.backbone.get("sha256")
    if checksum is not None and bundle.is_file() and sha256_file(bundle) != checksum:
        raise UserError(
            f"{transfer.path} transferred other weights (sha256 {checksum:.12}) than {bundle}, whose top-1 stands in "
            "its row; repeat the transfer with that bundle, or move one of the two runs out of the tree"
        )


def _disagreement(
    runs: Iterable[Run], group: Callable[[Run], Hashable], value: Callable[[Run], str | None]
) -> Iterator[tuple[Run, Run]]:
    """Pairs of a group's first run and one with another value; runs without a value are left out."""
    first: dict[Hashable, Run] = {}
    for run in runs:
        if value(run) is not None:
            known = first.setdefault(group(run), run)
            if value(known) != value(run):
                yield known, run
