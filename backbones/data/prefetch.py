"""How much of the shared memory, through which workers hand over their batches, one loader may fill."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from backbones.errors import UserError
from backbones.machine.place import processes_here

SHARED_MEMORY = "/dev/shm"
PREFETCHED_BYTES = 1 << 30
PIECE_BYTES = 16 << 20
PREFETCHED_PIECES = 4  # per worker
REMEDY = "use fewer --workers, or a larger shared memory (docker run --shm-size=2g)"


class Prefetch(NamedTuple):
    """What workers have ready: pieces of batches of at most ``images`` images, ``pieces`` of them per worker."""

    images: int
    pieces: int | None


def plan_prefetch(image_bytes: int, workers: int) -> Prefetch:
    """Divide a GiB, or half of the shared memory that is free if that is less, among the workers.

    Without workers batches stay whole. Otherwise their pieces are small enough that neither large batches nor many
    workers exceed the bound.

    Raises:
        UserError: There is not even room for one image per worker.
    """
    if workers == 0:
        return Prefetch(sys.maxsize, None)
    room = min(PREFETCHED_BYTES, _free_bytes() // 2) // workers
    if room < image_bytes:
        raise UserError(f"shared memory is too small for {workers} loader workers: {describe_room()}; {REMEDY}")
    images = max(1, min(PIECE_BYTES, room // PREFETCHED_PIECES) // image_bytes)
    return Prefetch(images, min(PREFETCHED_PIECES, room // (images * image_bytes)))


def describe_room() -> str:
    """Free and whole size of the shared memory, in words, or that nothing can be written there."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return f"there is no {SHARED_MEMORY}"
    if status.f_flag & os.ST_RDONLY:
        return f"{SHARED_MEMORY} is read-only"
    free, whole = (blocks * status.f_frsize >> 20 for blocks in (status.f_bavail, status.f_blocks))
    return f"{SHARED_MEMORY} has {free} of {whole} MiB free"


def _free_bytes() -> int:
    """Free bytes for each of the processes that ``torchrun`` started on this machine."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:  # not Linux: shared memory is not a file system there, and has no size of its own
        return 2 * PREFETCHED_BYTES
    return status.f_bavail * status.f_frsize // processes_here()
