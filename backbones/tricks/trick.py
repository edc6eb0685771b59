"""What a refinement is: a switch of a recipe, and the places of a training that it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

Value = Any  # what the recipe has for the trick: its number, or whatever ``on`` is


class Trick(NamedTuple):
    """A refinement; a hook that is left out changes nothing.

    ``initialise`` and ``mix`` stack, in the order of ``backbones.tricks.TRICKS``; of each other hook one trick at most
    can be on. Hooks keep nothing from step to step and take random numbers from ``random`` alone: so a resumed run
    repeats them. N is the batch, K the classes.

    Attributes:
        on: The value of its paper.
        off: The value that means off.
        lowest: Bound of a number that may be given in place of ``on``, itself excluded; None: the trick is on or off.
        highest: Upper bound, itself excluded.
        field: Of ``Recipe``, for the tricks of the paper; None: the value stands in ``Recipe.tricks``.
        initialise: ``(trunk, value)``; changes the weights that were drawn.
        parameter_groups: ``(model, weight_decay, value)`` -> groups of ``torch.optim.SGD``, each with its weight decay.
            The learning rate is the schedule's, in every group.
        learning_rate: ``(base, batch_size, value)`` -> the rate after the warmup, and the arithmetic behind it as text.
        decay: ``(done, total)`` -> factor on the rate when so many of the batches after the warmup are over.
        targets: ``(labels (N,), K, value)`` -> targets (N, K), float32.
        draw: ``(value, random)`` -> what ``mix`` needs to know; once per update, the same for all parts of a batch.
        mix: ``(images (N, 3, H, W), targets (N, K), drawn)`` -> both anew. A teacher's images are mixed alike.
        loss: ``(logits (N, K), teacher's logits (N, K) or None, targets (N, K), value)`` -> float32 scalar, in place of
            the cross-entropy. Logits may be of 16 bits.
        needs_teacher: Whether ``loss`` wants a teacher's logits.
        several_teachers: Whether it also takes those of several, (teachers, N, K).
    """

    on: Value = True
    off: Value = False
    lowest: float | None = None
    highest: float = float("inf")
    field: str | None = None
    initialise: Callable[[nn.Module, Value], Any] | None = None
    parameter_groups: Callable[[nn.Module, float, Value], list[dict[str, Any]]] | None = None
    learning_rate: Callable[[float, int, Value], tuple[float, str]] | None = None
    decay: Callable[[int, int], float] | None = None
    targets: Callable[[Tensor, int, Value], Tensor] | None = None
    draw: Callable[[Value, np.random.Generator], Any] | None = None
    mix: Callable[[Tensor, Tensor, Any], tuple[Tensor, Tensor]] | None = None
    loss: Callable[[Tensor, Tensor | None, Tensor, Value], Tensor] | None = None
    needs_teacher: bool = False
    several_teachers: bool = False


EXCLUSIVE = ("parameter_groups", "learning_rate", "decay", "targets", "loss")  # hooks of which one trick at most is on
