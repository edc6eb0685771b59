"""Peak memory."""

from __future__ import annotations

import subprocess
import sys

import torch
from pytest import MonkeyPatch

from backbones.monitoring.memory import peak_bytes, peak_host_bytes


def test_the_peak_stays_when_the_memory_is_given_back() -> None:
    before = peak_host_bytes()
    block = torch.ones(before // 4 + (200 << 20))  # float32: more than everything so far
    with_block = peak_host_bytes()
    size = block.nbytes
    del block
    assert with_block >= size
    after = peak_bytes(torch.device("cpu"))
    assert after > with_block - (4 << 20)  # the kernel counts pages by processor and adds up now and then
    assert with_block > before > 50 << 20


def test_on_a_gpu_it_is_the_gpus(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7 if device.index == 1 else 0)
    assert peak_bytes(torch.device("cuda:1")) == 7


def test_what_a_process_is_started_by_is_not_its_own() -> None:
    block = torch.ones(1200 << 18)  # 1200 MiB; torch itself takes half of it
    words = (
        "from backbones.monitoring.memory import peak_host_bytes; import sys; sys.exit(peak_host_bytes() > 1200 << 20)"
    )
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0
    assert peak_host_bytes() > block.nbytes
