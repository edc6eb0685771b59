"""Trained classifiers that judge a data set's images, wherever their weights come from: one, or several together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from backbones.bundles.bundle import joint_checksum
from backbones.bundles.loading import class_order, restored_classifier
from backbones.errors import UserError
from backbones.external.sources import Opened, open_source
from backbones.models import Classifier


@dataclass(frozen=True)
class OpenedClassifier:
    """A classifier in evaluation mode, without gradient. ``order`` says which of its outputs is the data's class k."""

    model: Classifier
    order: Tensor
    opened: Opened


def open_classifier(
    word: str | os.PathLike[str], option: str, classes: Sequence[str], device: torch.device
) -> OpenedClassifier:
    """A classifier for the classes of a data set, which are matched by name.

    Args:
        word: What its weights are called, see ``backbones.external.sources``.
        option: What it was given with, for messages.
        classes: Of the data set.
        device: Where it is to compute.

    Raises:
        UserError: There are no such weights, they hold no head, or its classes are not, by name, those of the data set.
    """
    opened = open_source(word, option, classes=classes)
    model = restored_classifier(opened.bundle)
    order = torch.tensor(class_order(opened.bundle, classes, option), device=device)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    model.requires_grad_(False).eval()
    return OpenedClassifier(model, order, opened)


def refuse_twice(option: str, words: Sequence[str | os.PathLike[str]], checksums: Sequence[str]) -> None:
    """See that several classifiers are several.

    Raises:
        UserError: The same weights are there more than once; the message names them.
    """
    for word, checksum in zip(words, checksums, strict=True):
        if checksums.count(checksum) > 1:
            raise UserError(f"{option} {word}: these weights are given more than once; take them away here or there")


def joint_record(members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a record says of several that compute together; each has ``network`` and ``sha256``."""
    return {
        "network": " + ".join(member["network"] for member in members),
        "sha256": joint_checksum([member["sha256"] for member in members]),
        "members": list(members),
    }
