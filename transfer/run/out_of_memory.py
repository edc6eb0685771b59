"""What to do when there is not enough memory for a transfer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from backbones.errors import MachineError, UserError
from backbones.machine.lacks import is_lack_of_memory
from transfer.protocol.total_batch import TotalBatch

LONGEST = 160  # characters of PyTorch's own words


@contextmanager
def lack_of_memory_explained(batch: TotalBatch) -> Iterator[None]:
    """Turn a failure to get memory, of a GPU or of the host, into a message with the ways out.

    Raises:
        MachineError: Instead of PyTorch's or Python's own error.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not is_lack_of_memory(error):
            raise
        words = textwrap.shorten(str(error) or "MemoryError", LONGEST, placeholder=" …")
        raise MachineError(f"out of memory: {words} -- {_ways_out(batch)}") from error


def _ways_out(batch: TotalBatch) -> str:
    images = batch.per_process
    finer = next((parts for parts in range(batch.accumulate + 1, images + 1) if images % parts == 0), None)
    cut = f"--accumulate {finer} for the same total batch in smaller parts" if finer else "a smaller --total-batch"
    return (
        f"in the training: {cut}; in the evaluation: --cfg-options test_dataloader.batch_size=1 or "
        "multi_scale=False; else --precision bf16, or a smaller scale of the images in the protocol's pipelines"
    )
