"""One small question to an op, whoever answers it and on whichever device: overlapping boxes are suppressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

RIGHT_ANSWER = [1, 2]


def kept_boxes(suppress: Callable[..., Any], device: Any = "cpu") -> list[int]:
    """Indices that a non-maximum suppression keeps of three boxes; they should be ``RIGHT_ANSWER``.

    Args:
        suppress: Takes boxes, scores and the threshold, and returns the indices, the best first.
        device: Where the boxes are.
    """
    import torch

    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0], [20.0, 20.0, 30.0, 30.0]], device=device)
    return suppress(boxes, torch.tensor([0.5, 0.9, 0.1], device=device), 0.5).tolist()


def wrong_answer(owner: str, kept: list[int]) -> str | None:
    """What is wrong with the answer, if anything is."""
    if kept == RIGHT_ANSWER:
        return None
    return f"non-maximum suppression by {owner} keeps boxes {kept} and not {RIGHT_ANSWER}"
