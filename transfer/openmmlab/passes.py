"""One step of the training in several forward and backward passes, for a batch that does not fit into memory at once.

mmengine's own ``accumulative_counts`` makes an iteration of each pass, so that whatever counts iterations (schedules,
the length, checkpoints) would have to be stated anew, and the learning rate would move between the passes of an update.
Here a step loads the whole batch, as it would do it at once, and an iteration is an update, as the protocols count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from typing import Any

from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from backbones.errors import UserError
from backbones.machine.versions import is_version

WRITTEN_FOR = "0.10.7"  # of mmengine, whose train_step and OptimWrapper these lines know

Losses = Mapping[str, Tensor]


@HOOKS.register_module()
class PassesHook(Hook):
    """Has every training step cut its batch into ``passes`` parts.

    Raises:
        UserError: mmengine is another version than these lines know; its gradients would be cut in silence otherwise.
    """

    def __init__(self, passes: int) -> None:
        self.passes = passes
        if passes > 1 and not is_version("mmengine", WRITTEN_FOR):
            raise UserError(
                f"--accumulate {passes} needs mmengine {WRITTEN_FOR}: install that, or leave the option out"
            )

    def before_train(self, runner: Runner) -> None:
        if self.passes > 1:
            model = runner.model
            model.train_step = partial(_step, model, model.train_step, self.passes)


def _step(model: nn.Module, train_step: Any, passes: int, data: Any, optim_wrapper: OptimWrapper) -> Losses:
    """mmengine's ``train_step`` once for each part, with one update after the last; returns the means of the losses."""
    parts = split_batch(data, passes)
    shares = shares_of(parts)
    steps = []
    for number, (part, share) in enumerate(zip(parts, shares, strict=True), start=1):
        steps.append(train_step(part, _Pass(optim_wrapper, share, last=number == len(parts))))
    return mean_losses(steps, shares)


class _Pass:
    """The optimizer as one pass sees it: its gradient adds its share, and the last one's is followed by the update."""

    def __init__(self, wrapper: OptimWrapper, share: float, last: bool) -> None:
        self._wrapper = wrapper
        self._share = share
        self._last = last

    @contextmanager
    def optim_context(self, model: Any) -> Iterator[None]:
        """As mmengine's; replicas exchange gradients in the last pass, when all of them are there."""
        waits = not self._last and hasattr(model, "no_sync")
        alone: AbstractContextManager[Any] = model.no_sync() if waits else nullcontext()
        with self._wrapper.optim_context(model), alone:
            yield

    def update_params(self, loss: Tensor) -> None:
        """Backward pass; after the last one the update."""
        self._wrapper.backward(loss * self._share)
        if self._last:
            self._wrapper.step()
            self._wrapper.zero_grad()


def split_batch(data: Mapping[str, Sequence[Any]], passes: int) -> list[dict[str, Any]]:
    """Up to ``passes`` parts of a batch in order, equal as far as its images allow: an epoch may end with few."""
    count = len(data["inputs"])
    passes = min(passes, count)
    ends = [count * number // passes for number in range(passes + 1)]
    return [
        # ``data_samples`` is None where a batch has no annotations.
        {key: None if values is None else values[first:end] for key, values in data.items()}
        for first, end in pairwise(ends)
    ]


def shares_of(parts: Sequence[Mapping[str, Sequence[Any]]]) -> list[float]:
    """Each part's share of the images."""
    counts = [len(part["inputs"]) for part in parts]
    return [count / sum(counts) for count in counts]


def mean_losses(steps: Sequence[Losses], shares: Sequence[float]) -> dict[str, Tensor]:
    """The mean over the images of what the parts have lost, by name."""
    return {
        name: sum(step[name].detach() * share for step, share in zip(steps, shares, strict=True))  # type: ignore[misc]
        for name in steps[0]  # a sum of nothing would be the number 0; there is a step at least
    }
