"""A trained classifier as the teacher of another (Section 5.3)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backbones.bundles.contract import InputContract
from backbones.bundles.loading import class_order, find_bundle, trained_classifier
from backbones.data.color import ColorChange
from backbones.data.normalisation import network_input
from backbones.errors import UserError
from backbones.files import sha256_file


@dataclass(frozen=True)
class Teacher:
    """A classifier in evaluation mode, without gradient. ``order`` says which of its outputs is the student's class k.

    It sees the student's own crops and colours, in its own normalisation.
    """

    model: nn.Module
    contract: InputContract
    order: Tensor
    network: str
    sha256: str

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
    """The classifier in a run folder or a bundle, as a teacher for the classes of a data set.

    ``image_size`` is the student's, in pixels.

    Raises:
        UserError: There is no bundle, it holds no head, its classes are not, by name, those of the data set, or the
            images are too small for it.
    """
    file = find_bundle(path, "--teacher")
    bundle, model = trained_classifier(file)
    if reason := model.why_not(image_size):
        raise UserError(f"--image-size {image_size}: the teacher, a {bundle.architecture}, {reason}")
    order = torch.tensor(class_order(bundle, classes, "--teacher"), device=device)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    model.requires_grad_(False).eval()
    return Teacher(model, bundle.input_contract, order, bundle.architecture, sha256_file(file))
