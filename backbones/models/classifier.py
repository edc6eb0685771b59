"""Trunk, global average pooling, fully connected head."""

from __future__ import annotations

from torch import Tensor, nn

from backbones.models.trunk import Trunk, xavier_initialise


class Classifier(nn.Module):
    """An image classifier that can be taken apart: ``classifier.trunk`` is what crosses over to the other tasks.

    Args:
        trunk: Any trunk; its last stage feeds the head.
        num_classes: Outputs of the head.
    """

    def __init__(self, trunk: Trunk, num_classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(trunk.feature_info[-1].channels, num_classes)
        xavier_initialise(self.head)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) for normalised images (N, 3, H, W)."""
        return self.head(self.pool(self.trunk(x)[-1]).flatten(1))
