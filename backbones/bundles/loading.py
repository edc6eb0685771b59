"""Classifiers that were trained before: to teach another, to be trained further, or to be tested."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from backbones.bundles.bundle import Bundle, read_bundle
from backbones.bundles.ledger import AUXILIARY_PREFIX, HEAD, count_classes, load_classifier, load_trunk
from backbones.errors import UserError
from backbones.models import Classifier, create_classifier


def find_bundle(path: str | os.PathLike[str], option: str) -> Path:
    """The bundle that ``path`` names: itself a bundle, or the folder of a finished run.

    Raises:
        UserError: Neither is there; the message names the option.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.is_file():
            raise UserError(f"{option} {path}: there is no such run folder or bundle")
        return path
    bundle = path / "backbone.safetensors"
    if not bundle.is_file():
        raise UserError(f"{option} {path}: no backbone.safetensors in it; is it the folder of a finished run?")
    return bundle


def trained_classifier(path: str | os.PathLike[str]) -> tuple[Bundle, Classifier]:
    """A bundle and the classifier in it, head included, every tensor accounted for.

    Raises:
        UserError: The file is not a bundle, or one without head.
    """
    bundle = read_bundle(path)
    return bundle, restored_classifier(bundle)


def restored_classifier(bundle: Bundle) -> Classifier:
    """The classifier in a bundle, head included, every tensor accounted for.

    Raises:
        UserError: The bundle is one without head.
    """
    classes = count_classes(bundle)
    if not classes:
        raise UserError(
            f"{bundle.source} holds no classifier head ({HEAD}); it can be transferred, but it cannot classify"
        )
    model = create_classifier(bundle.architecture, classes)
    load_classifier(model, bundle)
    return model


def class_order(bundle: Bundle, classes: Sequence[str], option: str) -> list[int]:
    """For each class of a data set its index in the bundle's head; classes are matched by name.

    Raises:
        UserError: The bundle does not name its classes, or they are not those of the data set.
    """
    known = bundle.training.get("classes")
    if not known or len(known) != count_classes(bundle):
        raise UserError(
            f"{option} {bundle.source} does not name its classes, so they cannot be matched; write it again"
        )
    different = sorted(set(known) ^ set(classes))
    if different:
        raise UserError(
            f"{option} {bundle.source} knows other classes than the data set: {len(known)} there, {len(classes)} here, "
            f"{len(different)} of them in one only ({', '.join(different[:4])}{', ...' if len(different) > 4 else ''})"
        )
    places = {name: index for index, name in enumerate(known)}
    return [places[name] for name in classes]


def initialise_from(model: Classifier, bundle: Bundle, classes: Sequence[str], network: str) -> str:
    """Start a classifier from a bundle: its trunk, and its heads too if they know the same classes. Says which.

    Classes are matched by name: those of the bundle may come in another order.

    Raises:
        UserError: The bundle is of another network.
        ProofError: A tensor did not arrive.
    """
    if bundle.architecture != network:
        raise UserError(f"--init-from {bundle.source} is a {bundle.architecture}; give --network {bundle.architecture}")
    if reason := _why_heads_are_new(model, bundle, classes):
        load_trunk(model.trunk, bundle)
        return f"trunk from {bundle.source}; new heads, because {reason}"
    load_classifier(model, bundle)
    order = class_order(bundle, classes, "--init-from")
    if order == sorted(order):
        return f"trunk and head from {bundle.source}"
    _reorder(model, order)
    return f"trunk and head from {bundle.source}, its classes in the order of the data set"


def _why_heads_are_new(model: Classifier, bundle: Bundle, classes: Sequence[str]) -> str | None:
    """None if the bundle has every head that the model has, for the same classes."""
    if not count_classes(bundle):
        return "it has no head"
    if sorted(bundle.training.get("classes") or ()) != sorted(classes):
        return "its classes are others" if bundle.training.get("classes") else "it does not name its classes"
    if model.aux_head is not None and not any(name.startswith(AUXILIARY_PREFIX) for name in bundle.tensors):
        return "it has no auxiliary head"
    return None


@torch.no_grad()
def _reorder(model: Classifier, order: Sequence[int]) -> None:
    """Give output k of every head what computed its output ``order[k]``."""
    for tensor in model.class_tensors():
        tensor.copy_(tensor[order])
