"""Places on this machine where a run can work: GPUs, or a share of the CPU's cores."""

from __future__ import annotations

import os
from dataclasses import dataclass

from backbones.errors import UserError
from backbones.machine.processes import usable_cpus


@dataclass(frozen=True)
class Slot:
    """What is set in the environment of the run that works there."""

    environment: tuple[tuple[str, str], ...]


def find_slots(jobs: int | None, gpus_per_run: int | None, default_jobs: int) -> tuple[Slot, ...]:
    """One slot per run at a time; the cores are shared by all processes, unless ``OMP_NUM_THREADS`` is set already.

    Args:
        jobs: Runs at a time; None: one for each group of ``gpus_per_run`` GPUs, without a GPU ``default_jobs``. More
            than there are groups share them.
        gpus_per_run: GPUs that each run sees; None: one, where there is one.
        default_jobs: Of the suite, for a machine without GPU.

    Raises:
        UserError: Fewer GPUs than one run wants.
    """
    gpus, wanted = visible_gpus(), gpus_per_run or 1
    if gpus_per_run and gpus_per_run > max(1, len(gpus)):
        raise UserError(f"--gpus-per-run {gpus_per_run}: there are {len(gpus)} GPUs here; ask for no more than that")
    groups = [",".join(gpus[first : first + wanted]) for first in range(0, len(gpus) - wanted + 1, wanted)]
    count = jobs or len(groups) or default_jobs
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, usable_cpus() // (count * wanted)))
    return tuple(
        Slot(
            (
                ("OMP_NUM_THREADS", threads),
                *((("CUDA_VISIBLE_DEVICES", groups[number % len(groups)]),) if groups else ()),
            )
        )
        for number in range(count)
    )


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]
