"""Batches of 8-bit images from worker processes.

Workers read, decode, crop and flip; the rest happens on the device. Training batches run through all epochs without a
pause between them, and can start at any batch. Large batches come from the workers in pieces: all workers contribute to
the first batch, and the shared memory that batches in waiting take has a bound that does not depend on their size.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from backbones.data.augmentation import Crop, random_crop, resized, validation_view
from backbones.data.decoding import decode_pixels
from backbones.data.folders.image_folder import ImageSplit
from backbones.data.loader_processes import WatchedLoader, cannot_hand_over
from backbones.data.prefetch import plan_prefetch
from backbones.data.randomness import Purpose, keyed_generator
from backbones.data.sampling import Request, TrainingRequests, ValidationRequests, count_steps
from backbones.errors import UserError
from backbones.machine.lacks import lack_behind

__all__ = ["Batch", "ImageBatches", "TrainingRequests", "ValidationRequests", "count_steps", "load_batches"]


# Bytes of crops that are decoded before they are resized. Decoder and resize in turn drive each other out of the
# processor's caches.
CROPS_TOGETHER = 4 << 20
# The default up to Python 3.13. That of 3.14 imports torch a second time, in the process that starts the workers, and
# sends each of them the whole list of images.
_START_METHOD = "fork" if sys.platform == "linux" else None


class Batch(NamedTuple):
    """Images (n, size, size, 3) uint8 RGB, and class indices (n,) int64."""

    images: Tensor
    labels: Tensor


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
            for place, view in enumerate(self._views(request)):
                images[place] = view
        except UserError as error:
            return error
        batch = Batch(torch.from_numpy(images), torch.from_numpy(self.split.labels[request.indices]))
        return batch if get_worker_info() is None else _share(batch)

    def _views(self, request: Request) -> Iterator[np.ndarray]:
        if request.epoch is not None:
            return self._training_views(request.epoch, request.indices)
        images = (Image.fromarray(decode_pixels(self.split.source(int(index)))) for index in request.indices)
        return (validation_view(image, self.size) for image in images)

    def _training_views(self, epoch: int, indices: np.ndarray) -> Iterator[np.ndarray]:
        crops: list[Crop] = []
        held = 0
        for index in map(int, indices):
            random = keyed_generator(Purpose.CROP, self.seed, epoch, index)
            crops.append(random_crop(decode_pixels(self.split.source(index)), random))
            held += crops[-1].pixels.nbytes
            if held > CROPS_TOGETHER:
                yield from (resized(crop, self.size) for crop in crops)
                crops, held = [], 0
        yield from (resized(crop, self.size) for crop in crops)


def load_batches(
    dataset: ImageBatches, requests: Iterable[Request], workers: int, device: torch.device
) -> Generator[Batch, None, None]:
    """Batches for the requests, in order, on ``device``. Who does not take them all must close the iterator.

    Raises:
        UserError: An image cannot be read, a worker died, or there is no shared memory for the workers.
    """
    prefetch = plan_prefetch(3 * dataset.size**2, workers)
    pieces = _Pieces(requests, prefetch.images)
    loader = WatchedLoader(
        dataset,
        batch_size=None,
        sampler=pieces,
        num_workers=workers,
        multiprocessing_context=_START_METHOD if workers else None,
        collate_fn=_as_it_is,
        pin_memory=device.type == "cuda",
        prefetch_factor=prefetch.pieces,
        worker_init_fn=_start_beside_training if device.type == "cpu" else _leave_signals_to_the_main_process,
        generator=torch.Generator(),  # its own, so that a loader does not advance torch's global one
    )
    with closing(_sound(loader)) as arriving:
        for piece in arriving:
            yield _complete(piece, arriving, pieces.sizes.popleft(), device)


class _Pieces:
    """Requests cut into pieces of at most ``images`` images.

    ``sizes`` holds how many images each request had that is under way: its pieces arrive one after the other.
    """

    def __init__(self, requests: Iterable[Request], images: int) -> None:
        self.sizes: deque[int] = deque()
        self._requests = requests
        self._images = images

    def __iter__(self) -> Iterator[Request]:
        for epoch, indices in self._requests:
            self.sizes.append(len(indices))
            for first in range(0, len(indices), self._images):
                yield Request(epoch, indices[first : first + self._images])


def _complete(first: Batch, following: Iterator[Batch], size: int, device: torch.device) -> Batch:
    """A batch of ``size`` images on the device, from its first piece and as many of the following as it takes."""
    if len(first.labels) == size:
        return Batch(first.images.to(device, non_blocking=True), first.labels.to(device, non_blocking=True))
    # Each piece is copied when it arrives: all pieces of a batch may not fit into the shared memory together.
    images = torch.empty((size, *first.images.shape[1:]), dtype=torch.uint8, device=device)
    labels = torch.empty(size, dtype=torch.int64, device=device)
    filled, piece = 0, first
    while True:
        here = slice(filled, filled + len(piece.labels))
        images[here].copy_(piece.images, non_blocking=True)
        labels[here].copy_(piece.labels, non_blocking=True)
        filled = here.stop
        if filled == size:
            return Batch(images, labels)
        piece = next(following)


def _sound(loader: WatchedLoader) -> Generator[Batch, None, None]:
    """What the workers send, up to an error that one of them sends instead."""
    arriving = iter(loader)
    try:
        for piece in arriving:
            if isinstance(piece, UserError):
                raise piece
            yield piece
    finally:
        # Workers end with their iterator, and the traceback of an error would keep it: until the garbage collector
        # comes, or for ever, since at exit Python waits for workers and they ignore its SIGTERM.
        del arriving


def _share(batch: Batch) -> Batch | UserError:
    """Move a batch to shared memory here, where running out of it can be told; later only PyTorch would notice."""
    try:
        return Batch(batch.images.share_memory_(), batch.labels.share_memory_())
    except (RuntimeError, OSError) as error:
        return cannot_hand_over(lack_behind(error))


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_main_process(worker: int) -> None:
    # A terminal sends Ctrl-C, and Slurm sends SIGTERM, to every process of a job; the main one then finishes its batch.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _start_beside_training(worker: int) -> None:
    _leave_signals_to_the_main_process(worker)
    # Training on the same cores goes first: its threads work in step, and all stand still while a worker has the core
    # of one. Images are then loaded where training waits for them or leaves a core idle.
    os.nice(10)
