"""Trainings on a GPU in every precision that it has; the bodies run on a CPU too, so that they are not wrong unseen."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytest import MonkeyPatch, mark, param, raises, skip
from torch import Tensor

from backbones.errors import UserError
from backbones.files import read_json, sha256_file
from backbones.machine.precision import resolve_precision
from backbones.training import loop
from backbones.training.loop import TrainingJob
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification

JobMaker = Callable[[ClassificationRequest], TrainingJob]
ON_GPU = [mark.gpu, mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
EVERYWHERE = mark.parametrize(
    ("device", "precision"),
    [("cpu", "fp32"), *(param("cuda", precision, marks=ON_GPU) for precision in ("fp32", "fp16", "bf16"))],
)


def light(request: ClassificationRequest, device: str, precision: str) -> ClassificationRequest:
    """A small network, in the precision asked for if the card has it."""
    try:
        resolve_precision(precision, torch.device(device))
    except UserError as error:
        skip(str(error))
    return replace(
        request, network="mobilenet_v1_025", recipe="smooth", epochs=1, device=device, precision=precision, ema=0.9
    )


@EVERYWHERE
def test_it_trains_and_evaluates(request_run: ClassificationRequest, device: str, precision: str) -> None:
    asked = light(request_run, device, precision)
    result = run_classification(asked)
    assert 0 <= result["metrics"]["top1"] <= 100
    assert result["timings"]["peak_memory_bytes"] > 0
    run = read_json(asked.out / "run.json")
    assert (run["settings"]["precision"], run["hardware"]["device"]) == (precision, device)
    assert run["hardware"]["tf32"] is False


@EVERYWHERE
def test_weights_and_images_are_channels_last(
    request_run: ClassificationRequest, job_of: JobMaker, monkeypatch: MonkeyPatch, device: str, precision: str
) -> None:
    job = job_of(light(request_run, device, precision))
    kernels = [weight for weight in job.model.parameters() if weight.ndim == 4 and min(weight.shape[1:]) > 1]
    assert kernels
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in kernels)
    seen: list[Tensor] = []
    job.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with_batch(job, lambda batch: loop.training_step(job, batch, 0))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert seen[0].device.type == device


def with_batch(job: TrainingJob, work: Callable[[Any], Any]) -> Any:
    batches = job.training_batches(0)
    try:
        return work(next(batches))
    finally:
        batches.close()


@mark.parametrize(
    ("device", "precision"), [param("cuda", "fp16", marks=ON_GPU), param("cuda", "bf16", marks=ON_GPU), ("cpu", "bf16")]
)
def test_losses_in_16_bits_are_near_those_in_32(
    request_run: ClassificationRequest, job_of: JobMaker, device: str, precision: str
) -> None:
    losses = {}
    for each in ("fp32", precision):
        job = job_of(light(request_run, device, each))
        losses[each] = with_batch(job, lambda batch, job=job: loop.training_step(job, batch, 0)).item()
    assert math.isfinite(losses[precision])
    assert abs(losses[precision] - losses["fp32"]) < 0.05 * losses["fp32"]


@mark.parametrize("device", [param("cuda", marks=ON_GPU)])
def test_an_overflow_in_fp16_leaves_the_weights_and_halves_the_scale(
    request_run: ClassificationRequest, job_of: JobMaker, device: str
) -> None:
    job = job_of(light(request_run, device, "fp16"))
    with_batch(job, lambda batch: loop.training_step(job, batch, 0))  # the momentum is there from now on
    job.scaler.update(new_scale=2.0**40)
    before = [weight.clone() for weight in job.model.parameters()]
    with_batch(job, lambda batch: loop.training_step(job, batch, 1))
    assert all(map(torch.equal, before, job.model.parameters()))
    assert job.scaler.get_scale() == 2.0**39


@EVERYWHERE
def test_a_resumed_run_ends_with_the_same_bits(
    request_run: ClassificationRequest, monkeypatch: MonkeyPatch, tmp_path: Path, device: str, precision: str
) -> None:
    """With deterministic algorithms, and without cuDNN's choice by the clock, which may be another the next time."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr("backbones.training.run.tuned_convolutions", nullcontext)
    torch.use_deterministic_algorithms(True)
    try:
        whole = light(request_run, device, precision)
        run_classification(whole)
        stopped = replace(whole, out=tmp_path / "stopped")
        with monkeypatch.context() as patch:
            interrupt_after(patch, 2)
            with raises(KeyboardInterrupt, match="--resume"):
                run_classification(stopped)
        run_classification(replace(stopped, resume=True))
    finally:
        torch.use_deterministic_algorithms(False)
    first, second = (sha256_file(each.out / "backbone.safetensors") for each in (whole, stopped))
    assert first == second


def interrupt_after(patch: MonkeyPatch, steps: int) -> None:
    step = loop.training_step

    def interrupted(job: TrainingJob, batch: Any, number: int) -> Tensor:
        if number + 1 == steps:
            os.kill(os.getpid(), signal.SIGINT)
        return step(job, batch, number)

    patch.setattr(loop, "training_step", interrupted)
