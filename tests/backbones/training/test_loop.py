"""The loop as a whole: it learns, it stops and resumes bit for bit, it refuses to go on with a broken loss."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytest import MonkeyPatch, TempPathFactory, approx, fixture, mark, raises
from safetensors.torch import load_file
from torch import Tensor

import backbones.training.loop
from backbones.bundles.bundle import read_bundle
from backbones.errors import UserError
from backbones.evaluation.accuracy import Accuracy
from backbones.models import Classifier
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification

pytestmark = mark.usefixtures("one_thread")
BundleMaker = Callable[..., tuple[Path, Classifier]]


def interrupt_at(patch: MonkeyPatch, name: str, call: int, number: int = signal.SIGINT) -> None:
    """Send this process a signal during the ``call``-th call of a function of the training module."""
    original, calls = getattr(backbones.training.loop, name), []

    def wrapped(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return original(*arguments)

    patch.setattr(backbones.training.loop, name, wrapped)


def weights(run: ClassificationRequest, name: str = "backbone.safetensors") -> dict[str, Tensor]:
    return load_file(run.out / name)


def records(run: ClassificationRequest, kind: str) -> list[dict[str, Any]]:
    lines = (run.out / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def assert_same_run(one: ClassificationRequest, other: ClassificationRequest) -> None:
    for name in ("backbone.safetensors", "best.safetensors"):
        expected, found = weights(one, name), weights(other, name)
        assert found.keys() == expected.keys()
        for tensor, value in found.items():
            assert torch.equal(value, expected[tensor]), (name, tensor)
    for ours, theirs in zip(records(one, "epoch"), records(other, "epoch"), strict=True):
        assert (ours["step"], ours["loss"], ours["top1"]) == (theirs["step"], approx(theirs["loss"]), theirs["top1"])
    results = [json.loads((run.out / "result.json").read_text()) for run in (one, other)]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert results[0]["best"] == results[1]["best"]


@fixture(scope="module")
def whole(small_images: Path, one_thread: None, tmp_path_factory: TempPathFactory) -> ClassificationRequest:
    """A run that nobody interrupted."""
    run = ClassificationRequest(
        small_images,
        "resnet18_d",
        "d-smooth",
        tmp_path_factory.mktemp("whole") / "run",
        epochs=2,
        batch_size=6,
        image_size=32,
        precision="fp32",
        device="cpu",
    )
    run_classification(run)
    return run


@fixture(scope="module")
def whole_light(whole: ClassificationRequest) -> ClassificationRequest:
    """The same with a small network."""
    run = replace(whole, network="mobilenet_v1_025", recipe="smooth", out=whole.out.parent / "light")
    run_classification(run)
    return run


@fixture
def light(whole_light: ClassificationRequest, tmp_path: Path) -> ClassificationRequest:
    """The run with the small network, yet to be done."""
    return replace(whole_light, out=tmp_path / "run")


@mark.slow
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
    whole: ClassificationRequest,
    request_run: ClassificationRequest,
    monkeypatch: MonkeyPatch,
    function: str,
    call: int,
    number: int,
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(patch, function, call, number)
        with raises(KeyboardInterrupt, match="--resume"):
            run_classification(request_run)
    assert not (request_run.out / "result.json").exists()
    run_classification(replace(request_run, resume=True, workers=1))
    assert_same_run(whole, request_run)


def test_another_seed_gives_other_weights(whole_light: ClassificationRequest, light: ClassificationRequest) -> None:
    """Negative control of the test above: equality is not for free."""
    run_classification(replace(light, seed=1))
    assert not torch.equal(weights(light)["head.weight"], weights(whole_light)["head.weight"])


@mark.parametrize("call", [2, 4])
def test_killed_between_log_and_save_an_evaluation_is_in_the_record_once(
    whole_light: ClassificationRequest, light: ClassificationRequest, monkeypatch: MonkeyPatch, call: int
) -> None:
    """Each epoch saves before and after its evaluation; the second one of an epoch comes after its record."""
    original, calls = backbones.training.loop.save, []

    def killed(*arguments: Any) -> None:
        calls.append(None)
        if len(calls) == call:
            raise RuntimeError("killed")
        original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(backbones.training.loop, "save", killed)
        with raises(RuntimeError, match="killed"):
            run_classification(light)
    assert len(records(light, "epoch")) == call // 2
    run_classification(replace(light, resume=True))
    assert [record["step"] for record in records(light, "epoch")] == [4, 8]
    assert_same_run(whole_light, light)


def test_a_crash_before_the_first_checkpoint_starts_over(
    whole_light: ClassificationRequest, light: ClassificationRequest, monkeypatch: MonkeyPatch
) -> None:
    def crash(*_: Any) -> Tensor:
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(backbones.training.loop, "training_step", crash)
        with raises(RuntimeError, match="crash"):
            run_classification(light)
    run_classification(replace(light, resume=True))
    assert_same_run(whole_light, light)


@fixture
def refined(light: ClassificationRequest, make_bundle_file: BundleMaker) -> ClassificationRequest:
    """Everything at once: contrast, mixup, distillation, averaged weights, bounded gradients, batches in parts."""
    teacher, _ = make_bundle_file(classes=("class2", "class0", "class1"), mean=(127.5,) * 3, channel_order="BGR")
    return replace(light, recipe="distill-mixup", color="gluoncv", teacher=teacher, ema=0.9, clip=5.0, accumulate=3)


@mark.parametrize(("function", "call"), [("training_step", 3), ("training_step", 6), ("evaluate", 1)])
def test_a_resumed_run_with_every_refinement_ends_with_the_same_bits(
    refined: ClassificationRequest, tmp_path: Path, monkeypatch: MonkeyPatch, function: str, call: int
) -> None:
    stopped = replace(refined, out=tmp_path / "stopped")
    run_classification(refined)
    with monkeypatch.context() as patch:
        interrupt_at(patch, function, call)
        with raises(KeyboardInterrupt, match="--resume"):
            run_classification(stopped)
    run_classification(replace(stopped, resume=True))
    assert_same_run(refined, stopped)


@mark.parametrize(
    "change",
    [
        {"color": None},
        {"ema": None},
        {"clip": None},
        {"accumulate": 1},
        {"switched_off": ("mixup",)},
        {"switched_off": ("distillation",), "teacher": None},
        {"switched_off": ("label-smoothing",)},
    ],
)
def test_every_refinement_makes_a_difference(
    refined: ClassificationRequest, tmp_path: Path, change: dict[str, Any]
) -> None:
    """Negative control of the test above."""
    one = replace(refined, epochs=1)
    other = replace(one, out=tmp_path / "other", **change)
    run_classification(one)
    run_classification(other)
    assert not torch.equal(weights(one)["head.weight"], weights(other)["head.weight"])


@mark.parametrize("ema", [None, 0.5])
def test_the_best_weights_are_those_of_the_best_evaluation(
    light: ClassificationRequest, monkeypatch: MonkeyPatch, ema: float | None
) -> None:
    """The third evaluation is as good as the second: the earlier one stays."""
    seen: list[dict[str, Tensor]] = []

    def evaluate(model: Classifier, *_: Any) -> Accuracy:
        model.eval()
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return Accuracy((0.0, 60.0, 60.0, 50.0)[len(seen) - 1], 100.0)

    monkeypatch.setattr(backbones.training.loop, "evaluate", evaluate)
    run = replace(light, epochs=4, ema=ema)
    result = run_classification(run)
    assert result["best"] == {"top1": 60.0, "epoch": 2.0}
    assert result["metrics"]["top1"] == 50.0
    for file, number in (("best.safetensors", 1), ("backbone.safetensors", 3)):
        for name, value in weights(run, file).items():
            assert torch.equal(value, seen[number][name]), (file, name)
    assert not torch.equal(seen[1]["head.weight"], seen[2]["head.weight"])
    facts = read_bundle(run.out / "best.safetensors").training
    assert (facts["epochs"], facts["top1"]) == (2.0, 60.0)
    facts = read_bundle(run.out / "backbone.safetensors").training
    assert (facts["epochs"], facts["top1"]) == (4.0, 50.0)


def test_even_the_worst_first_epoch_is_the_best_so_far(light: ClassificationRequest, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(backbones.training.loop, "evaluate", lambda *_: Accuracy(0.0, 0.0))
    assert run_classification(light)["best"] == {"top1": 0.0, "epoch": 1.0}
    assert read_bundle(light.out / "best.safetensors").training["epochs"] == 1.0


def test_it_learns_what_can_be_learnt(request_run: ClassificationRequest) -> None:
    result = run_classification(replace(request_run, recipe="d-cosine", epochs=6, learning_rate=0.005))
    losses = [record["loss"] for record in records(request_run, "epoch")]
    assert min(losses) < 0.8 * losses[0]
    assert result["metrics"]["top1"] >= 88.0  # one class in three by chance
    assert result["metrics"]["top5"] == 100.0


def test_a_loss_that_is_not_finite_stops_the_run(light: ClassificationRequest, monkeypatch: MonkeyPatch) -> None:
    original = backbones.training.loop.training_step

    def diverging(job: Any, batch: Any, step: int) -> Tensor:
        loss = original(job, batch, step)
        return loss * float("nan") if step == 5 else loss

    monkeypatch.setattr(backbones.training.loop, "training_step", diverging)
    with raises(UserError, match=r"the loss is nan at batch 6 \(learning rate 0\.00\d+\).*smaller --lr"):
        run_classification(light)
    state = torch.load(light.out / "last.pt", weights_only=True)
    assert state["progression"]["step"] == 4  # the last good one


def test_weights_that_are_not_finite_are_no_result(light: ClassificationRequest, monkeypatch: MonkeyPatch) -> None:
    """The last update of an epoch breaks them: its loss was finite, and NaNs would be sorted somehow."""
    original = backbones.training.loop.training_step

    def breaking(job: Any, batch: Any, step: int) -> Tensor:
        loss = original(job, batch, step)
        if step == 7:
            job.model.head.weight.data[0, 0] = float("nan")
        return loss

    monkeypatch.setattr(backbones.training.loop, "training_step", breaking)
    with raises(UserError, match=r"after epoch 2: the logits of 9 of 9 images are not finite.*smaller --lr"):
        run_classification(light)
    assert not (light.out / "result.json").exists()
    assert all(value.isfinite().all() for value in weights(light, "best.safetensors").values())
    with raises(UserError, match="after epoch 2: the logits of 9 of 9"):
        run_classification(replace(light, resume=True))
