"""Which images go into which batch, known before the first one is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backbones.data.randomness import Purpose, keyed_generator
from backbones.errors import UserError


class Request(NamedTuple):
    """Images by index, as training shows them in ``epoch``, or (``epoch`` None) as validation does."""

    epoch: int | None
    indices: np.ndarray


@dataclass(frozen=True)
class TrainingRequests:
    """Requests of a run from batch ``first_step`` on: every epoch in its own order, without an incomplete batch.

    Of ``shards`` equal contiguous shares of each batch, these are number ``shard``; ``batch_size`` is the whole batch.

    Raises:
        UserError: The batch size is not a multiple of ``shards``.
    """

    images: int
    batch_size: int
    seed: int
    first_step: int
    total_steps: int
    shard: int = 0
    shards: int = 1

    def __post_init__(self) -> None:
        check_shares(self.batch_size, self.shards)

    def __iter__(self) -> Iterator[Request]:
        steps_per_epoch = count_steps(self.images, self.batch_size)
        share = self.batch_size // self.shards
        order_of = -1
        order: np.ndarray = np.empty(0, dtype=np.int64)
        for step in range(self.first_step, self.total_steps):
            epoch, batch = divmod(step, steps_per_epoch)
            if order_of != epoch:
                order_of, order = epoch, keyed_generator(Purpose.ORDER, self.seed, epoch).permutation(self.images)
            first = batch * self.batch_size + self.shard * share
            yield Request(epoch, order[first : first + share])


@dataclass(frozen=True)
class ValidationRequests:
    """Requests for image ``shard``, ``shard + shards``, ... once, in order; the last batch may be smaller.

    ``batch_size`` is that of one shard. Over all shards every image comes exactly once.
    """

    images: int
    batch_size: int
    shard: int = 0
    shards: int = 1

    def __iter__(self) -> Iterator[Request]:
        own = np.arange(self.shard, self.images, self.shards)
        for first in range(0, len(own), self.batch_size):
            yield Request(None, own[first : first + self.batch_size])


def check_shares(batch_size: int, processes: int, accumulate: int = 1) -> None:
    """See that a batch can be cut into equal shares, one per process, and each of them into ``accumulate`` parts.

    Raises:
        UserError: It cannot.
    """
    parts = processes * accumulate
    if batch_size % parts:
        raise UserError(
            f"--batch-size {batch_size} cannot be cut into {processes} processes x {accumulate} parts of "
            f"--accumulate; take a multiple of {parts}"
        )


def count_steps(images: int, batch_size: int) -> int:
    """Batches per epoch.

    Raises:
        UserError: The training set is smaller than one batch.
    """
    if batch_size > images:
        raise UserError(f"--batch-size {batch_size}: the training set has only {images} images; take {images} or less")
    return images // batch_size
