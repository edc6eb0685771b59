"""A GPU without enough memory: one line that says what to do."""

from __future__ import annotations

from dataclasses import replace

import torch
from pytest import mark, raises

from backbones.errors import MachineError
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification

pytestmark = [mark.gpu, mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def test_too_little_memory_is_one_line(request_run: ClassificationRequest) -> None:
    torch.cuda.empty_cache()
    free, whole = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 192 * 2**20) / whole)
    assert free > 2**30
    try:
        with raises(MachineError, match="cuda has not enough memory for 9 images of 512 px; give a smaller") as caught:
            run_classification(replace(request_run, device="cuda", batch_size=9, image_size=512, epochs=1))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert "\n" not in str(caught.value)
