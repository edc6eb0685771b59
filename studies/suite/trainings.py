"""What the runs of a suite train: epochs, total batch and learning rate, said in the plan before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from backbones.data.sampling import check_shares
from backbones.errors import UserError
from backbones.recipes.recipe_file import chosen_recipe
from backbones.recipes.schedule import peak_learning_rate
from backbones.recipes.switches import switch
from studies.suite.planned_run import PlannedRun
from transfer.catalogue import CLASSIFICATION
from transfer.protocol.total_batch import TotalBatch, cut, describe_epochs, describe_rate, most_processes, move_to


class Planned(NamedTuple):
    """``words`` of a training, and the ``processes`` that share it."""

    words: str
    processes: int


def classifier_training(asked: Mapping[str, Any], processes: int, place: str) -> Planned:
    """Of a classifier.

    Args:
        asked: Options of ``tools/train_cls.py`` by name.
        processes: Of the run.
        place: File and key, for messages.

    Raises:
        UserError: No such recipe, or a batch that the processes cannot share.
    """
    try:
        recipe = switch(chosen_recipe(asked["recipe"]), asked["switched_on"], asked["switched_off"])
        total = asked["batch_size"] or recipe.batch_size
        check_shares(total, processes, asked["accumulate"])
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    batch = TotalBatch(total, processes, asked["accumulate"])
    _, rate = peak_learning_rate(recipe, total, asked["lr"])
    epochs = asked["epochs"] or recipe.epochs
    length = f"{epochs} epoch{'s' if epochs > 1 else ''}"
    return Planned(f"{length}, total batch {batch}, learning rate {rate}", processes)


def transfer_training(
    protocol: Path, asked: Mapping[str, Any], images: int | None, available: int, place: str
) -> Planned:
    """Of a transfer, which takes as many of the processes as can share its total batch.

    Args:
        protocol: Its file.
        asked: Options of ``tools/transfer_*.py`` by name.
        images: Of the training set; None: those that the protocol states for its own data, if it does.
        available: Processes that a run may have.
        place: File and key, for messages.

    Raises:
        UserError: Options that the protocol refuses, or a batch without equal parts.
    """
    try:
        return _transfer_training(
            protocol, tuple(asked["cfg_options"]), asked["total_batch"], asked["accumulate"], images, available
        )
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


@cache
def _transfer_training(
    protocol: Path, options: tuple[str, ...], total: int | None, accumulate: int, images: int | None, available: int
) -> Planned:
    from transfer.protocol.load import load_config  # mmengine takes a second to import

    config = load_config(str(protocol), options, imports=False)
    stated, base = config.optim_wrapper.optimizer.lr, config.base_batch_size
    processes = most_processes(total or base, accumulate, available)
    batch = cut(total or base, processes, accumulate)
    move_to(config, batch.total)
    length = describe_epochs(config, images or config.get("train_images"))
    fewer = f", in {processes} processes, because {available} cannot share it" if processes < available else ""
    return Planned(f"{length}, learning rate {describe_rate(stated, base, batch)}{fewer}", processes)


def training_lines(runs: Sequence[PlannedRun]) -> Iterator[str]:
    """One line for each kind of training, with the rows that share it."""
    sharing: dict[tuple[str, str], dict[str, None]] = {}
    for run in runs:
        facts = run.facts or {}
        if "training" in facts:
            name = run.row if run.kind == CLASSIFICATION else facts["protocol"]
            sharing.setdefault((run.kind, facts["training"]), {})[name] = None
    for (kind, words), names in sharing.items():
        yield f"{kind} ({', '.join(names)}): {words}"
