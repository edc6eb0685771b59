"""A training by iterations that goes on where it stopped without loading again what it has seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.runner import IterBasedTrainLoop
from torch import nn
from torch.utils.data import BatchSampler, DataLoader

from backbones.errors import not_none


class ResumingTrainLoop(IterBasedTrainLoop):
    """mmengine's, which resumes by loading every batch before it and throwing it away; this one skips their numbers.

    The images then come in the order of a training that never stopped. Another sampler than the protocols' is left to
    mmengine.
    """

    def run(self) -> nn.Module:
        """Train to the end; returns the model."""
        loader = self.dataloader
        if self.iter and isinstance(loader.sampler, InfiniteSampler) and type(loader.batch_sampler) is BatchSampler:
            self.dataloader_iterator = _RemainingBatches(loader, self.iter)
        return super().run()


class _RemainingBatches:
    """The batches of a loader from a place on; the first calls, by which mmengine means to get there, give nothing."""

    def __init__(self, loader: DataLoader, place: int) -> None:
        sampler: Any = loader.sampler
        # The loop's first iterator has already taken from the sampler what its workers were to prefetch.
        sampler.indices = InfiniteSampler(sampler.dataset, sampler.shuffle, sampler.seed).indices
        deque(islice(sampler.indices, place * not_none(loader.batch_size)), maxlen=0)
        self._batches = iter(loader)
        self._calls = place

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._calls:
            self._calls -= 1
            return None
        return next(self._batches)
