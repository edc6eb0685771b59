"""Peak memory."""

from __future__ import annotations

import torch
from pytest import MonkeyPatch

from backbones.memory import peak_bytes, peak_host_bytes


def test_the_peak_stays_when_the_memory_is_given_back() -> None:
    before = peak_host_bytes()
    block = torch.ones(before // 4 + (200 << 20))  # float32: more than everything so far
    with_block = peak_host_bytes()
    size = block.nbytes
    del block
    assert with_block >= size
    assert peak_bytes(torch.device("cpu")) >= with_block > before > 50 << 20


def test_on_a_gpu_it_is_the_gpus(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7 if device.index == 1 else 0)
    assert peak_bytes(torch.device("cuda:1")) == 7
