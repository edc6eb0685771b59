"""Batches of 8-bit images from worker processes.

Workers read, decode, crop and flip; the rest happens on the device. Training batches run through all epochs without a
pause between them, and can start at any batch.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from backbones.data.augmentation import training_view, validation_view
from backbones.data.decoding import decode_image
from backbones.data.image_folder import ImageSplit
from backbones.data.randomness import Purpose, keyed_generator
from backbones.errors import UserError

PREFETCHED_BATCHES = 4  # per worker


class Batch(NamedTuple):
    """Images (n, size, size, 3) uint8 RGB, and class indices (n,) int64."""

    images: Tensor
    labels: Tensor


class Request(NamedTuple):
    """Images by index, as training shows them in ``epoch``, or (``epoch`` None) as validation does."""

    epoch: int | None
    indices: np.ndarray


@dataclass(frozen=True)
class TrainingRequests:
    """Requests of a run from batch ``first_step`` on: every epoch in its own order, without an incomplete batch.

    Of ``shards`` processes, each asks for its own equal share of every batch: ``shard`` 0 for the first images in it.
    """

    images: int
    batch_size: int
    seed: int
    first_step: int
    total_steps: int
    shard: int = 0
    shards: int = 1

    def __iter__(self) -> Iterator[Request]:
        share = self.batch_size // self.shards
        steps_per_epoch = count_steps(self.images, self.batch_size)
        order_of, order = -1, np.empty(0, dtype=np.int64)
        for step in range(self.first_step, self.total_steps):
            epoch, batch = divmod(step, steps_per_epoch)
            if order_of != epoch:
                order_of, order = epoch, keyed_generator(Purpose.ORDER, self.seed, epoch).permutation(self.images)
            first = batch * self.batch_size + self.shard * share
            yield Request(epoch, order[first : first + share])


@dataclass(frozen=True)
class ValidationRequests:
    """Requests for every image once, over all shards, in order; the last batch may be smaller."""

    images: int
    batch_size: int
    shard: int = 0
    shards: int = 1

    def __iter__(self) -> Iterator[Request]:
        mine = np.arange(self.shard, self.images, self.shards)
        for first in range(0, len(mine), self.batch_size):
            yield Request(None, mine[first : first + self.batch_size])


def count_steps(images: int, batch_size: int) -> int:
    """Batches per epoch.

    Raises:
        UserError: The training set is smaller than one batch.
    """
    if batch_size > images:
        raise UserError(f"--batch-size {batch_size}: the training set has only {images} images; use a smaller batch")
    return images // batch_size


class ImageBatches(Dataset):
    """Batches of a split by ``Request``.

    The crop of an image depends on ``seed``, epoch and image only. An unreadable image gives its error instead of a
    batch: raised in a worker it would arrive wrapped in the worker's traceback.
    """

    def __init__(self, split: ImageSplit, size: int, seed: int) -> None:
        self.split = split
        self.size = size
        self.seed = seed

    def __getitem__(self, request: Request) -> Batch | UserError:
        images = np.empty((len(request.indices), self.size, self.size, 3), dtype=np.uint8)
        try:
            for place, index in enumerate(request.indices):
                images[place] = self._view(request.epoch, int(index))
        except UserError as error:
            return error
        return Batch(torch.from_numpy(images), torch.from_numpy(self.split.labels[request.indices]))

    def _view(self, epoch: int | None, index: int) -> np.ndarray:
        image = decode_image(self.split.path(index))
        if epoch is None:
            return validation_view(image, self.size)
        return training_view(image, self.size, keyed_generator(Purpose.CROP, self.seed, epoch, index))


def load_batches(
    dataset: ImageBatches, requests: Iterable[Request], workers: int, device: torch.device
) -> Iterator[Batch]:
    """Batches for the requests, in order, on ``device``.

    Raises:
        UserError: An image cannot be read.
    """
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=requests,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=device.type == "cuda",
        prefetch_factor=PREFETCHED_BATCHES if workers else None,
        worker_init_fn=_leave_signals_to_the_main_process,
        generator=torch.Generator(),  # its own, so that a loader does not advance torch's global one
    )
    for batch in loader:
        if isinstance(batch, UserError):
            raise batch
        yield Batch(batch.images.to(device, non_blocking=True), batch.labels.to(device, non_blocking=True))


def _as_it_is(batch: Batch | UserError) -> Batch | UserError:
    return batch


def _leave_signals_to_the_main_process(worker: int) -> None:
    # A terminal sends Ctrl-C, and Slurm sends SIGTERM, to every process of a job; the main one then finishes its batch.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
