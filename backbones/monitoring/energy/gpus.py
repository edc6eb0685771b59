"""Electric energy of NVIDIA GPUs, from the counters of their driver (NVML).

A counter is of a whole card with its memory, whoever keeps it busy, in millijoules since the driver was loaded. Cards
before Volta have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

_MILLIJOULES_PER_KWH = 3.6e9


class GpuMeter:
    """Adds up what some GPUs use from now on. It needs no thread, because the counters do not start again.

    Args:
        places: Of the GPUs among those that CUDA lets this process see, which ``CUDA_VISIBLE_DEVICES`` decides. The
            driver counts others too, and in an order of its own, so it is asked by their UUIDs.
    """

    def __init__(self, places: Sequence[int]) -> None:
        self._handles: list[Any] = []
        self._start: list[int] | None = None
        # Whatever is wrong with driver, library or card: a run goes on without knowing its energy.
        try:
            import pynvml

            pynvml.nvmlInit()
            uuids = [torch.cuda.get_device_properties(place).uuid for place in places]
            self._handles = [pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}") for uuid in uuids]
        except Exception:
            return
        self._start = self._read()

    @property
    def kwh(self) -> float | None:
        """So far; None where the counters cannot be read."""
        now = self._read()
        if self._start is None or now is None:
            return None
        used = [after - before for before, after in zip(self._start, now, strict=True)]
        return sum(used) / _MILLIJOULES_PER_KWH if min(used) >= 0 else None  # less: the driver was loaded anew

    def _read(self) -> list[int] | None:
        try:
            import pynvml

            return [pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles]
        except Exception:  # as above
            return None
