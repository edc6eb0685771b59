"""The driver's counter of a real GPU goes up while it works, by what its power allows."""

from __future__ import annotations

import time

import torch
from pytest import mark, skip

from backbones.monitoring.energy.gpus import GpuMeter

pytestmark = [mark.gpu, mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
LEAST, MOST = 5.0, 1500.0  # watts


def test_work_takes_energy() -> None:
    if torch.cuda.get_device_capability() < (7, 0):
        skip("cards before Volta have no counter")
    matrix = torch.randn(4096, 4096, device="cuda")
    torch.cuda.synchronize()
    meter, started = GpuMeter([torch.cuda.current_device()]), time.perf_counter()
    while time.perf_counter() - started < 3:
        for _ in range(20):
            matrix @ matrix
        torch.cuda.synchronize()
    used, hours = meter.kwh, (time.perf_counter() - started) / 3600
    assert used is not None
    assert LEAST < 1000 * used / hours < MOST
