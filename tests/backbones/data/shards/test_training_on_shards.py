"""A training on shards is the same at any stop."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from written_shards import sample, write

import backbones.training.loop
from backbones.data.shards.split import WHAT
from backbones.errors import UserError
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification


@pytest.mark.usefixtures("one_thread")
def test_a_training_on_shards_goes_on_bit_by_bit(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of an epoch, and resumed with a worker that has seen none of it."""
    whole = ClassificationRequest(
        *(root, "mobilenet_v1_025", "smooth", tmp_path / "whole"),
        epochs=2,
        batch_size=6,
        image_size=32,
        precision="fp32",
        device="cpu",
    )
    run_classification(whole)
    stopped = replace(whole, out=tmp_path / "stopped")
    step, calls = backbones.training.loop.training_step, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(backbones.training.loop, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt, match="--resume"):
            run_classification(stopped)
    run_classification(replace(stopped, resume=True, workers=1))
    one, other = (load_file(run.out / "backbone.safetensors") for run in (whole, stopped))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    asked = json.loads((stopped.out / "run.json").read_text())
    assert (asked["data"]["layout"], asked["data"]["measured"]) == (WHAT, "val")
    write(root / "imagenet-train-000001.tar", sample(40, 8))
    (stopped.out / "result.json").unlink()
    with pytest.raises(UserError, match="fingerprint"):
        run_classification(replace(stopped, resume=True))
