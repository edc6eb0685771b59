"""One run folder's record, read and checked key by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.runs.record import read_record
from backbones.runs.run_folder import with_former_settings
from transfer.catalogue import LEAST_SEARCH, TASKS

FIXED, TUNED = "fixed", "tuned"


@dataclass(frozen=True)
class Tuning:
    """The search that a run was chosen from: how many configurations it tried, and the chosen options as written."""

    search: int
    changed: dict[str, str]


@dataclass(frozen=True)
class Run:
    """What ``run.json`` or, of a finished run, ``result.json`` says.

    Attributes:
        path: That file.
        metrics: Metric to percent; empty for an unfinished run.
        config_hash: Of the downstream configuration.
        fixed_hash: Of that without what may be tuned (``transfer.protocol.tunable``); older runs have none.
        former_hashes: What an older version would have recorded as ``config_hash`` and ``fixed_hash``.
        tuned: Of a run of the tuned arm; None for one of the fixed protocol.
        fingerprint: Of the data.
        backbone: Facts of the transferred backbone: "sha256", "seed", "top1"; those that are known.
        settings: How a classifier was trained: "epochs", "batch_size", "image_size", and so on.
        seconds: What the run took on its machine's clock; None where it is not recorded.
        training: How a transfer was trained: "total_batch", "epochs", "batch_norm_images", and so on.
        teacher: SHA-256 of the classifier that a student was taught by.
        shared_images: How many images were tested on that were trained on, too; 0 where the record does not say.
    """

    path: Path
    task: str
    recipe: str
    network: str
    seed: int
    metrics: dict[str, float] = field(default_factory=dict)
    protocol: str | None = None
    config_hash: str | None = None
    fixed_hash: str | None = None
    former_hashes: Mapping[str, str] = field(default_factory=dict)
    tuned: Tuning | None = None
    fingerprint: str | None = None
    backbone: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    training: dict[str, Any] = field(default_factory=dict)
    teacher: str | None = None
    shared_images: int = 0

    @property
    def row(self) -> tuple[str, str]:
        """Recipe and network: the row of a comparison that this run belongs to."""
        return self.recipe, self.network

    @property
    def arm(self) -> str:
        """FIXED: with the protocol that all rows share; TUNED: with the best of a search of its row's own."""
        return TUNED if self.tuned else FIXED


def read_run(path: Path, finished: bool) -> Run:
    """Read ``result.json`` or, of an unfinished run, ``run.json``.

    Raises:
        UserError: The file is not what it should be.
    """
    content = read_record(path)
    task = _text(path, content, "task")
    if task not in TASKS:
        raise UserError(f"{path}: unknown task {task!r}; known are {', '.join(TASKS)}")
    transfer = task != "classification"
    tuned = _tuning(path, content.get("tuned")) if transfer else None
    if finished and transfer:
        _check_proof(path, content)
    hashed = transfer and ("fixed_hash" in content or (finished and tuned is not None))
    return Run(
        path=path,
        task=task,
        recipe=_text(path, content, "recipe"),
        network=_text(path, content, "network"),
        seed=_whole(path, "seed", content.get("seed")),
        metrics=_metrics(path, task, content.get("metrics")) if finished else {},
        protocol=content.get("protocol"),
        config_hash=_text(path, content, "config_hash") if finished and transfer else None,
        fixed_hash=_text(path, content, "fixed_hash") if hashed else None,
        former_hashes=_section(path, content, "former_hashes"),
        tuned=tuned,
        fingerprint=_section(path, content, "data").get("fingerprint"),
        backbone=_backbone(path, content),
        settings={} if transfer else _settings(path, content),
        seconds=_seconds(content) if finished else None,
        training=_training(path, content) if transfer else {},
        teacher=_section(path, content, "teacher").get("sha256"),
        shared_images=_shared_images(path, content),
    )


def _shared_images(path: Path, content: dict[str, Any]) -> int:
    """Recorded where they were allowed."""
    return _whole(path, "data.shared_images", _section(path, content, "data").get("shared_images", 0))


def _seconds(content: dict[str, Any]) -> float | None:
    """Older runs record none, and nothing but a plan depends on it."""
    seconds = (content.get("timings") or {}).get("total_seconds")
    return None if seconds is None else float(seconds)


def _text(path: Path, content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise UserError(f"{path}: {key!r} is {value!r} where a name should be; repeat the run")
    return value


def _whole(path: Path, key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError(f"{path}: {key!r} is {value!r} where a whole number should be; repeat the run")
    return value


def _section(path: Path, content: Mapping[str, Any], key: str) -> dict[str, Any]:
    section = content.get(key) or {}
    if not isinstance(section, dict):
        raise UserError(f"{path}: {key!r} is {section!r} where a section should be; repeat the run")
    return section


def is_percentage(value: Any) -> bool:
    """Whether it is a number from 0 to 100, which NaN is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100


def _percent(path: Path, key: str, value: Any) -> float:
    if not is_percentage(value):
        raise UserError(f"{path}: {key} is {value!r}, which is no percentage; repeat the run")
    return float(value)


def _metrics(path: Path, task: str, metrics: Any) -> dict[str, float]:
    known = TASKS[task].keys
    if not isinstance(metrics, dict) or not any(metric in metrics for metric in known):
        raise UserError(f"{path}: 'metrics' holds none of {', '.join(known)}; repeat the run")
    return {metric: _percent(path, metric, metrics[metric]) for metric in known if metric in metrics}


def _check_proof(path: Path, content: dict[str, Any]) -> None:
    """A transfer counts only if its trunk arrived and computed what it computed in the classifier."""
    features = _section(path, _section(path, content, "proof"), "features")
    if features.get("equal") is not True:
        raise UserError(f"{path} holds no proof that its backbone arrived (proof.features.equal); repeat the run")


def _backbone(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    backbone = dict(_section(path, content, "backbone"))
    if backbone.get("sha256") is not None:
        _text(path, backbone, "sha256")
    if backbone.get("top1") is not None:
        backbone["top1"] = _percent(path, "backbone.top1", backbone["top1"])
    if backbone.get("seed") is not None:
        backbone["seed"] = _whole(path, "backbone.seed", backbone["seed"])
    return backbone


def _tuning(path: Path, tuned: Any) -> Tuning | None:
    if tuned is None:
        return None
    search, changed = (tuned.get(key) for key in ("search", "changed")) if isinstance(tuned, dict) else (None, None)
    if not isinstance(search, int) or isinstance(search, bool) or search < LEAST_SEARCH:
        raise UserError(
            f"{path}: 'tuned.search' is {search!r} where a number from {LEAST_SEARCH} should be; repeat the run"
        )
    if not isinstance(changed, dict):
        raise UserError(f"{path}: 'tuned.changed' is {changed!r} where a section should be; repeat the run")
    return Tuning(search, {key: str(value) for key, value in changed.items()})


def _settings(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The settings of a classification run, with the content of the weights that it started from."""
    settings = dict(_section(path, with_former_settings(content), "settings"))
    if "epochs" in settings:
        settings["epochs"] = _whole(path, "settings.epochs", settings["epochs"])
    for key in ("batch_size", "parts", "batch_norm_images"):
        if key in settings:
            settings[key] = _count(path, f"settings.{key}", settings[key])
    _section(path, settings, "recipe")
    start = _section(path, content, "init_from").get("sha256")
    return settings | ({"init_from": start[:12]} if isinstance(start, str) else {})


def _training(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """How a transfer was trained; runs before this was recorded have none."""
    training = dict(_section(path, content, "training"))
    if training.get("batch_norm_images") is not None:
        for key in ("batch_norm_images", "total_batch"):
            _count(path, f"training.{key}", training.get(key))
    return training


def _count(path: Path, key: str, value: Any) -> int:
    if _whole(path, key, value) < 1:
        raise UserError(f"{path}: {key!r} is {value} where a number from 1 should be; repeat the run")
    return value
