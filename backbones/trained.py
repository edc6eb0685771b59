"""Classifiers that were trained before: to teach another, to be trained further, or to be tested."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from backbones.bundle import Bundle, read_bundle
from backbones.errors import UserError
from backbones.ledger import AUXILIARY_PREFIX, load_classifier, load_trunk
from backbones.models import Classifier, create_classifier

HEAD = "head.weight"


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
    if HEAD not in bundle.tensors:
        raise UserError(f"{path} holds no classifier head ({HEAD}); it can be transferred, but it cannot classify")
    model = create_classifier(bundle.architecture, len(bundle.tensors[HEAD]))
    load_classifier(model, bundle)
    return bundle, model


def class_order(bundle: Bundle, classes: Sequence[str], option: str) -> list[int]:
    """For each class of a data set its index in the bundle's head; classes are matched by name.

    Raises:
        UserError: The bundle does not name its classes, or they are not those of the data set.
    """
    known = bundle.training.get("classes")
    if not known or len(known) != len(bundle.tensors[HEAD]):
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
    """Start a classifier from a bundle: its trunk, and its head too if it knows the same classes. Says which.

    Raises:
        UserError: The bundle is of another network.
        ProofError: A tensor did not arrive.
    """
    if bundle.architecture != network:
        raise UserError(f"--init-from {bundle.source} is a {bundle.architecture}; give --network {bundle.architecture}")
    second_head = model.aux_head is None or any(name.startswith(AUXILIARY_PREFIX) for name in bundle.tensors)
    if HEAD in bundle.tensors and bundle.training.get("classes") == list(classes) and second_head:
        load_classifier(model, bundle)
        return f"trunk and head from {bundle.source}"
    load_trunk(model.trunk, bundle)
    reason = "its classes are others" if second_head else "it has no auxiliary head"
    return f"trunk from {bundle.source}; new heads, because {reason}"
