"""The loop as a whole: it learns, it stops and resumes bit for bit, it refuses to go on with a broken loss."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytest import CaptureFixture, MonkeyPatch, approx, fixture, mark, raises
from safetensors.torch import load_file
from torch import Tensor

import backbones.training
from backbones.bundle import read_bundle
from backbones.classification import ClassificationRequest, run_classification
from backbones.errors import UserError

STEPS = 8  # 2 epochs of 4 batches


@fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Batches of six do not fill two cores, and waiting for the other one takes longer than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@fixture
def request_run(make_image_folder: Callable[..., Path], tmp_path: Path) -> ClassificationRequest:
    """Two epochs of four batches of six images, on the CPU in float32."""
    data = make_image_folder(classes=3, train=9, val=3)
    return ClassificationRequest(
        data=data,
        network="resnet18_d",
        recipe="d-smooth",
        out=tmp_path / "run",
        epochs=2,
        batch_size=6,
        image_size=32,
        precision="fp32",
        device="cpu",
    )


def interrupt_at(patch: MonkeyPatch, name: str, call: int, number: int = signal.SIGINT) -> None:
    """Send this process a signal during the ``call``-th call of a function of the training module."""
    original, calls = getattr(backbones.training, name), []

    def wrapped(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return original(*arguments)

    patch.setattr(backbones.training, name, wrapped)


def weights(run: ClassificationRequest) -> dict[str, Tensor]:
    return load_file(run.out / "backbone.safetensors")


def steps_logged(run: ClassificationRequest, kind: str) -> list[dict[str, Any]]:
    lines = (run.out / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


@mark.parametrize(
    ("function", "call", "number"),
    [
        ("training_step", 1, signal.SIGINT),
        ("training_step", 6, signal.SIGINT),  # in the middle of an epoch
        ("training_step", 4, signal.SIGTERM),  # at the last batch of an epoch
        ("evaluate", 1, signal.SIGINT),  # while it evaluates
        ("evaluate", 2, signal.SIGINT),  # during the very last evaluation
    ],
)
def test_a_resumed_run_ends_with_the_same_bits(
    request_run: ClassificationRequest, tmp_path: Path, monkeypatch: MonkeyPatch, function: str, call: int, number: int
) -> None:
    whole = run_classification(request_run)
    stopped = replace(request_run, out=tmp_path / "stopped")
    with monkeypatch.context() as patch:
        interrupt_at(patch, function, call, number)
        with raises(KeyboardInterrupt, match="--resume"):
            run_classification(stopped)
    assert not (stopped.out / "result.json").exists()
    result = run_classification(replace(stopped, resume=True, workers=1))
    assert result["metrics"] == whole["metrics"]
    expected = weights(request_run)
    assert weights(stopped).keys() == expected.keys()
    for name, value in weights(stopped).items():
        assert torch.equal(value, expected[name]), name
    for one, other in zip(steps_logged(request_run, "epoch"), steps_logged(stopped, "epoch"), strict=True):
        assert (one["step"], one["loss"], one["top1"]) == (other["step"], approx(other["loss"]), other["top1"])


def test_another_seed_gives_other_weights(request_run: ClassificationRequest, tmp_path: Path) -> None:
    """Negative control of the test above: equality is not for free."""
    run_classification(replace(request_run, epochs=1))
    other = replace(request_run, epochs=1, seed=1, out=tmp_path / "other")
    run_classification(other)
    assert not torch.equal(weights(request_run)["head.weight"], weights(other)["head.weight"])


def test_a_crash_before_the_first_checkpoint_starts_over(
    request_run: ClassificationRequest, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    def crash(*_: Any) -> Tensor:
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(backbones.training, "training_step", crash)
        with raises(RuntimeError, match="crash"):
            run_classification(request_run)
    run_classification(replace(request_run, resume=True))
    whole = replace(request_run, out=tmp_path / "whole")
    run_classification(whole)
    assert torch.equal(weights(request_run)["head.weight"], weights(whole)["head.weight"])


def test_it_learns_what_can_be_learnt(request_run: ClassificationRequest) -> None:
    result = run_classification(replace(request_run, recipe="d-cosine", epochs=6, learning_rate=0.005))
    losses = [record["loss"] for record in steps_logged(request_run, "epoch")]
    assert min(losses) < 0.8 * losses[0]
    assert result["metrics"]["top1"] >= 88.0  # one class in three by chance
    assert result["metrics"]["top5"] == 100.0


def test_files_of_a_finished_run(request_run: ClassificationRequest, capsys: CaptureFixture[str]) -> None:
    result = run_classification(request_run)
    shown = capsys.readouterr().out
    assert "0.1 / 256 * 6 = 0.00234375 (linear scaling)" in shown
    assert shown.count("epoch ") == 2
    record = json.loads((request_run.out / "run.json").read_text())
    assert record["settings"]["schedule"]["total_steps"] == STEPS
    assert record["settings"]["precision"] == "fp32"
    assert (result["task"], result["network"], result["recipe"]) == ("classification", "resnet18_d", "d-smooth")
    assert result["timings"]["train_seconds"] > 0
    bundle = read_bundle(request_run.out / "backbone.safetensors")
    assert bundle.training["top1"] == result["metrics"]["top1"]
    assert bundle.training["fingerprint"] == record["data"]["fingerprint"]
    assert bundle.input_contract.train_size == 32
    rates = [entry["learning_rate"] for entry in steps_logged(request_run, "epoch")]
    assert rates == sorted(rates, reverse=True)


def test_a_finished_run_is_left_alone(request_run: ClassificationRequest, capsys: CaptureFixture[str]) -> None:
    result = run_classification(replace(request_run, epochs=1))
    before = (request_run.out / "backbone.safetensors").stat().st_mtime_ns
    assert run_classification(replace(request_run, epochs=1, resume=True)) == result
    assert "is finished" in capsys.readouterr().out
    assert (request_run.out / "backbone.safetensors").stat().st_mtime_ns == before


def test_a_loss_that_is_not_finite_stops_the_run(request_run: ClassificationRequest, monkeypatch: MonkeyPatch) -> None:
    original = backbones.training.training_step

    def diverging(job: Any, batch: Any, step: int) -> Tensor:
        loss = original(job, batch, step)
        return loss * float("nan") if step == 5 else loss

    monkeypatch.setattr(backbones.training, "training_step", diverging)
    with raises(UserError, match=r"the loss is nan at batch 6 \(learning rate 0\.00\d+\).*smaller --lr"):
        run_classification(request_run)
    state = torch.load(request_run.out / "last.pt", weights_only=True)
    assert state["progression"]["step"] == 4  # the last good one


@mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 28}, "--batch-size 28: the training set has only 27 images"),
        ({"batch_size": 1}, "--batch-size 1: BatchNorm needs"),
        ({"image_size": 16}, "--image-size 16"),
        ({"network": "resnet19_d"}, "unknown network 'resnet19_d'.*resnet18_d"),
        ({"recipe": "smooth"}, "unknown recipe 'smooth'.*d-smooth"),
        ({"precision": "fp16"}, "fp16 needs a CUDA device"),
        ({"device": "tpu"}, "--device tpu"),
    ],
)
def test_impossible_requests_leave_nothing_behind(
    request_run: ClassificationRequest, change: dict[str, Any], message: str
) -> None:
    with raises(UserError, match=message):
        run_classification(replace(request_run, **change))
    assert not request_run.out.exists()


def test_another_run_in_the_folder_is_named_by_what_differs(request_run: ClassificationRequest) -> None:
    run_classification(replace(request_run, epochs=1))
    with raises(UserError, match=r"another run \(.*settings\.epochs: 1 there, 2 asked"):
        run_classification(replace(request_run, epochs=2, resume=True))
    with raises(UserError, match="--resume"):
        run_classification(replace(request_run, epochs=1))
