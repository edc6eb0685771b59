"""Trunk, global average pooling, fully connected head."""

from __future__ import annotations

from torch import Tensor, nn

from backbones.models.trunk import Trunk, xavier_initialise


class Classifier(nn.Module):
    """An image classifier that can be taken apart: ``classifier.trunk`` is what crosses over to the other tasks.

    Args:
        trunk: Any trunk; its last stage feeds the head. The head's dropout is the trunk's ``head_dropout``.
        num_classes: Outputs of the head.
        aux_head: A second classifier for training, fed by the last map but one that the trunk returns.
    """

    def __init__(self, trunk: Trunk, num_classes: int, aux_head: nn.Module | None = None) -> None:
        super().__init__()
        self.trunk = trunk
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(trunk.head_dropout)
        self.head = nn.Linear(trunk.feature_info[-1].channels, num_classes)
        self.aux_head = aux_head
        xavier_initialise(self.head)

    @property
    def smallest_image(self) -> int:
        """Shortest side in pixels of the images it can be trained on."""
        if self.aux_head is None:
            return self.trunk.smallest_image
        return self.aux_head.smallest_image  # type: ignore[return-value]  # an integer, as a trunk has

    def why_not(self, image_size: int) -> str | None:
        """Why it cannot be trained on square images of that side in pixels; None if it can."""
        if self.aux_head is not None and image_size < self.smallest_image:
            return f"needs {self.smallest_image} pixels or more"
        return self.trunk.why_not(image_size)

    def class_tensors(self) -> list[Tensor]:
        """Weights and biases with a row for each class, of all heads."""
        heads = (self.head, *(() if self.aux_head is None else (self.aux_head.fc,)))
        return [tensor for head in heads for tensor in (head.weight, head.bias)]

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits (N, num_classes) for normalised images (N, 3, H, W).

        In training mode with an auxiliary head: the logits, and the auxiliary head's.
        """
        maps = self.trunk(x)
        logits = self.head(self.dropout(self.pool(maps[-1]).flatten(1)))
        if self.aux_head is None or not self.training:
            return logits
        return logits, self.aux_head(maps[-2])
