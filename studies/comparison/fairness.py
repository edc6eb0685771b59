"""Whether more than the recipe tells the rows of a comparison apart: how they were trained, and tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backbones.errors import UserError
from backbones.recipes.recipe import find_recipe
from studies.results.run_record import Run

# These belong to a recipe: they are told, and not held against a row.
RECIPE_SETTINGS = ("batch_size", "learning_rate")
# The first two follow from what is compared anyway; what parts do to BatchNorm is compared on its own.
NOT_COMPARED = (*RECIPE_SETTINGS, "schedule", "recipe", "parts", "batch_norm_images")

Rows = Mapping[str, Sequence[Run]]  # by the name that the comparison shows


def classification_settings(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Setting -> the different values of a row's classification runs, in order of their seeds; empty without any."""
    settings: dict[str, list[Any]] = {}
    for run in runs:
        for key, value in run.settings.items():
            values = settings.setdefault(key, [])
            if value not in values:
                values.append(value)
    return settings


def fairness_notes(rows: Rows) -> list[str]:
    """First what makes the rows incomparable, then batch and learning rate of the classification runs."""
    unlike = _unlike(rows) + _unlike_batch_norm(rows) + _unlike_searches(rows)
    return unlike + _recipe_settings(rows) + _other_trainings(rows)


def _unlike(rows: Rows) -> list[str]:
    runs = [(name, run) for name, row in rows.items() for run in row if run.settings]
    keys = dict.fromkeys(key for _, run in runs for key in run.settings if key not in NOT_COMPARED)
    found = []
    for key in keys:
        groups: dict[str, dict[str, None]] = {}  # value -> rows
        for name, run in runs:
            if key == "precision" and _sets_precision(run.recipe):
                continue
            value = run.settings.get(key) or None  # a setting that an older version did not have was off
            groups.setdefault("off" if value is None else str(value), {})[name] = None
        if len(groups) > 1 and not (key == "epochs" and _epochs_follow_recipes([run for _, run in runs])):
            found.append(f"{key} {', '.join(f'{value} ({_list(names)})' for value, names in groups.items())}")
    if not found:
        return []
    return [
        f"NOT ALIKE, classification: {'; '.join(found)}. What differs between these rows, top-1 and everything "
        "transferred, is not due to the recipe alone."
    ]


def _unlike_batch_norm(rows: Rows) -> list[str]:
    """Tasks in which BatchNorm has estimated over different numbers of images.

    A batch is cut into parts for processes and memory. Where recipes ask for different batches, these are alike if cut
    into as many parts.
    """
    seen: dict[str, dict[int, dict[str, None]]] = {}  # task -> images -> rows
    parts: dict[str, set[float]] = {}
    for name, row in rows.items():
        for run in row:
            found = _batch_norm_images(run)
            if found:
                images, cut = found
                seen.setdefault(run.task, {}).setdefault(images, {})[name] = None
                parts.setdefault(run.task, set()).add(cut)
    said = [
        f"{task} over {', '.join(f'{images} images ({_list(names)})' for images, names in sizes.items())}"
        for task, sizes in seen.items()
        if len(sizes) > 1 and len(parts[task]) > 1
    ]
    if not said:
        return []
    return [
        f"NOT ALIKE, BatchNorm: statistics estimated at once, {'; '.join(said)}. It follows from processes, "
        "--accumulate and SyncBatchNorm, and regularises the training: the difference is not due to the recipe alone."
    ]


def _batch_norm_images(run: Run) -> tuple[int, float] | None:
    """Images that BatchNorm estimates over, and parts of a batch; None where it estimates nothing, or nobody knows."""
    if run.task != "classification":
        images = run.training.get("batch_norm_images")
        return (images, run.training["total_batch"] / images) if images else None
    settings = run.settings
    if "batch_size" not in settings or "parts" not in settings:
        return None
    if "batch_norm_images" not in settings and settings.get("sync_bn"):
        return None  # a version that did not record how many processes
    images = settings.get("batch_norm_images", settings["batch_size"] // settings["parts"])
    return images, settings["batch_size"] / images


def _unlike_searches(rows: Rows) -> list[str]:
    """Tasks whose tuned runs were chosen from more configurations in one row than in another."""
    searches: dict[str, dict[int, dict[str, None]]] = {}  # task -> size -> rows
    for name, row in rows.items():
        for run in row:
            if run.tuned:
                searches.setdefault(run.task, {}).setdefault(run.tuned.search, {})[name] = None
    found = [
        f"{task} best of {', '.join(f'{size} ({_list(names)})' for size, names in sorted(sizes.items()))}"
        for task, sizes in sorted(searches.items())
        if len(sizes) > 1
    ]
    if not found:
        return []
    return [
        f"NOT ALIKE, tuning: {'; '.join(found)}. The larger search had more chances, so what is tuned differs between "
        "these rows by more than the backbone."
    ]


def _sets_precision(recipe: str) -> bool:
    try:
        return find_recipe(recipe).low_precision is not None
    except UserError:  # a recipe of one's own
        return False


def _epochs_follow_recipes(runs: Sequence[Run]) -> bool:
    """Whether all runs have the same share of the epochs that their own recipe asks for."""
    shares = set()
    for run in runs:
        planned = (run.settings.get("recipe") or {}).get("epochs")
        if not planned:
            return False
        shares.add(round(run.settings["epochs"] / planned, 3))
    return len(shares) == 1


def _recipe_settings(rows: Rows) -> list[str]:
    told: dict[str, dict[str, None]] = {}  # settings -> rows
    for name, row in rows.items():
        for run in row:
            known = [(key, run.settings[key]) for key in ("epochs", *RECIPE_SETTINGS) if key in run.settings]
            if known:
                words = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in known)
                told.setdefault(words, {})[name] = None
    if not told:
        return []
    return [f"Trained with: {'; '.join(f'{_list(names)}: {words}' for words, names in told.items())}."]


def _other_trainings(rows: Rows) -> list[str]:
    """Rows that show the top-1 of some trainings, and transfers of others."""
    found = []
    for name, row in rows.items():
        trained = {run.seed for run in row if run.task == "classification"}
        transferred = [run.backbone for run in row if run.backbone.get("sha256")]
        strangers = {backbone.get("seed") for backbone in transferred} - trained
        if trained and strangers:
            seeds = ", ".join("unknown" if seed is None else str(seed) for seed in sorted(strangers, key=str))
            found.append(f"{name} (transferred: seed {seeds}; top-1: seed {', '.join(map(str, sorted(trained)))})")
    if not found:
        return []
    return [f"NOT ALIKE, backbones: the top-1 shown is not that of every transferred backbone: {'; '.join(found)}."]


def _list(names: Mapping[str, None]) -> str:
    return ", ".join(names)
