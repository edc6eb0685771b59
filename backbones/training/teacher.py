"""Trained classifiers as the teachers of another (Section 5.3)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from backbones.bundles.contract import InputContract
from backbones.data.color import ColorChange
from backbones.data.normalisation import network_input
from backbones.errors import UserError
from backbones.external.classifiers import joint_record, open_classifier, refuse_twice

OPTION = "--teacher"


@dataclass(frozen=True)
class Teacher:
    """A classifier in evaluation mode, without gradient. ``order`` says which of its outputs is the student's class k.

    It sees the student's own crops and colours, in its own normalisation. ``facts`` are what ``run.json`` says of its
    weights, ``told`` what is printed of their import.
    """

    model: nn.Module
    contract: InputContract
    order: Tensor
    network: str
    sha256: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()

    def input(self, images: Tensor, change: ColorChange) -> Tensor:
        """The student's 8-bit images (n, H, W, 3) with the student's colours, as the teacher wants them."""
        return network_input(images, change, self.contract)

    def logits(self, images: Tensor) -> Tensor:
        """Logits (n, K), the student's classes in the student's order; call it under the student's autocast."""
        with torch.inference_mode():
            logits = self.model(images)
        # Chosen outside, they are a plain tensor, which the student's loss may keep for its backward pass.
        return logits[:, self.order]


def load_teacher(
    path: str | os.PathLike[str], classes: Sequence[str], image_size: int, device: torch.device
) -> Teacher:
    """A classifier, wherever its weights come from, as a teacher for the classes of a data set.

    ``image_size`` is the student's, in pixels.

    Raises:
        UserError: There are no such weights, they hold no head, its classes are not, by name, those of the data set, or
            the images are too small for it.
    """
    known = open_classifier(path, OPTION, classes, device)
    bundle = known.opened.bundle
    if reason := known.model.why_not(image_size):
        raise UserError(f"--image-size {image_size}: the teacher, a {bundle.architecture}, {reason}")
    return Teacher(
        model=known.model,
        contract=bundle.input_contract,
        order=known.order,
        network=bundle.architecture,
        sha256=known.opened.sha256,
        facts=known.opened.record(),
        told=known.opened.told,
    )


def load_teachers(
    paths: Sequence[str | os.PathLike[str]], classes: Sequence[str], image_size: int, device: torch.device
) -> tuple[Teacher, ...]:
    """``load_teacher`` for several, whose probabilities are averaged.

    Raises:
        UserError: As ``load_teacher``; also one that is there twice.
    """
    teachers = tuple(load_teacher(path, classes, image_size, device) for path in paths)
    refuse_twice(OPTION, paths, [teacher.sha256 for teacher in teachers])
    return teachers


def teachers_record(teachers: Sequence[Teacher], paths: Sequence[str | os.PathLike[str]]) -> dict[str, Any]:
    """What ``run.json`` says of the teachers; of several also each one's own facts."""
    records = [{"network": each.network, **each.facts} for each in teachers]
    return {**(records[0] if len(records) == 1 else joint_record(records)), "path": " ".join(map(str, paths))}


def describe_teachers(teachers: Sequence[Teacher], paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A line for each, and what is made of several."""
    lines = [f"teacher   {teacher.network} from {path}" for teacher, path in zip(teachers, paths, strict=True)]
    joint = f"          {len(lines)} teachers: the student learns from the mean of their probabilities"
    return [*lines, joint] if len(lines) > 1 else lines
