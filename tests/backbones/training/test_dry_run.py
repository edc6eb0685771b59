"""A dry run tells what would happen, and nothing happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytest import CaptureFixture, approx, mark, raises

from backbones.errors import UserError
from backbones.models import Classifier
from backbones.recipes.schedule import Schedule
from backbones.training.dry_run import dry_run, turning_points
from backbones.training.loop import TrainingJob
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification

pytestmark = mark.usefixtures("one_thread")
JobMaker = Callable[[ClassificationRequest], TrainingJob]


@mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(0.4, "step", 40, 5, (10, 20, 30)), [0, 5, 9, 10, 19, 20, 29, 30, 39]),
        (Schedule(0.4, "step", 40, 0, (10, 20, 30)), [0, 9, 10, 19, 20, 29, 30, 39]),
        (Schedule(0.4, "cosine", 45, 5, (10, 20, 30)), [0, 5, 15, 25, 35, 44]),
        (Schedule(0.4, "cosine", 40, 0, ()), [0, 10, 20, 30, 39]),
        (Schedule(0.4, "step", 2, 0, (0, 1, 2)), [0, 1]),
        (Schedule(0.4, "step", 1, 0, (0, 0, 1)), [0]),
        (Schedule(0.4, "cosine", 1, 0, ()), [0]),
    ],
)
def test_turning_points(schedule: Schedule, expected: list[int]) -> None:
    assert turning_points(schedule) == expected


def files(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(root.rglob("*"))}


def shown(request: ClassificationRequest, capsys: CaptureFixture[str]) -> list[str]:
    assert run_classification(replace(request, dry_run=True)) == {}
    return capsys.readouterr().out.splitlines()


def test_nothing_is_written(request_run: ClassificationRequest, tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    before = files(tmp_path), files(request_run.data)
    light = replace(request_run, network="mobilenet_v1_025", recipe="mixup")
    whole = replace(light, tensorboard=True, ema=0.9, clip=1.0, accumulate=3)
    assert shown(whole, capsys)[-1] == "dry run: nothing was trained, nothing was written"
    assert (files(tmp_path), files(request_run.data)) == before
    assert not request_run.out.exists()


def test_a_run_in_the_folder_is_left_alone(request_run: ClassificationRequest, capsys: CaptureFixture[str]) -> None:
    short = replace(request_run, network="mobilenet_v1_025", recipe="smooth", epochs=1)
    run_classification(short)
    before = files(short.out)
    shown(short, capsys)
    shown(replace(short, recipe="mixup", resume=True), capsys)
    assert files(short.out) == before


def test_it_says_what_the_run_would_say(request_run: ClassificationRequest, capsys: CaptureFixture[str]) -> None:
    short = replace(request_run, network="mobilenet_v1_025", recipe="smooth", epochs=1)
    planned = shown(short, capsys)
    run_classification(short)
    started = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in planned[:8]] == [
        "network", "data", "recipe", "run", "color", "lr", "schedule", "machine",
    ]  # fmt: skip
    assert planned[:8] == started[:8]


def rates(lines: list[str]) -> list[tuple[int, float, float]]:
    """Batch (from 1), epoch and learning rate of every line of the schedule."""
    first = next(number for number, line in enumerate(lines) if line.startswith("rates"))
    found = (re.fullmatch(r" {10} *(\d+) \(([\d.]+)\): ([\d.e-]+)", line) for line in lines[first + 1 :])
    return [(int(match[1]), float(match[2]), float(match[3])) for match in found if match]


def test_the_schedules_turning_points_are_shown_with_their_rates(
    request_run: ClassificationRequest, capsys: CaptureFixture[str]
) -> None:
    """24 epochs of 4 batches: warmup over 1 epoch, decay at epochs 6, 12 and 18."""
    light = replace(request_run, network="mobilenet_v1_025", epochs=24, learning_rate=0.4)
    assert rates(shown(replace(light, recipe="efficient"), capsys)) == [
        (1, 0.0, 0.1),
        (5, 1.0, 0.4),
        (24, 5.75, 0.4),
        (25, 6.0, 0.04),
        (48, 11.75, 0.04),
        (49, 12.0, 0.004),
        (72, 17.75, 0.004),
        (73, 18.0, 0.0004),
        (96, 23.75, 0.0004),
    ]
    quarters = rates(shown(replace(light, recipe="cosine"), capsys))
    assert [batch for batch, _, _ in quarters] == [1, 5, 28, 51, 74, 96]
    assert [rate for _, _, rate in quarters][:2] == [0.1, 0.4]
    assert quarters[3][2] == approx(0.2)  # half of the 92 batches after the warmup


def groups(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("group")]


def test_groups_are_counted(request_run: ClassificationRequest, capsys: CaptureFixture[str]) -> None:
    """By hand: 22 convolutions and the head of a ResNet-18-D; gamma and beta of 22 BatchNorms, and a bias."""
    assert groups(shown(request_run, capsys)) == [
        "group     23 tensors, 11,187,552 parameters, weight decay 0.0001",
        "group     45 tensors, 9,731 parameters, weight decay 0",
    ]
    assert groups(shown(replace(request_run, recipe="b-standard"), capsys)) == [
        "group     68 tensors, 11,197,283 parameters, weight decay 0.0001",
    ]


@mark.parametrize("change", [{"batch_size": 27, "epochs": 1}, {"workers": 1}, {"recipe": "mixup"}])
def test_time_and_memory_are_told(
    request_run: ClassificationRequest, capsys: CaptureFixture[str], change: dict[str, Any]
) -> None:
    """Also of a run of a single batch, where there is no step to warm up with."""
    lines = shown(replace(request_run, network="mobilenet_v1_025", **{"recipe": "smooth", **change}), capsys)
    (time,) = [line for line in lines if line.startswith("time")]
    pattern = r"time +\d+\.\d{3} s per batch \(\d+ img/s, data wait \d+%\), validation [\d:]+: [\d:]+ in all at .*"
    assert re.fullmatch(pattern, time)
    (memory,) = [line for line in lines if line.startswith("memory")]
    gigabytes = re.match(r"memory +([\d.]+) GB of main memory at most", memory)
    assert gigabytes is not None
    assert 0.1 < float(gigabytes[1]) < 64


def test_with_a_teacher(
    request_run: ClassificationRequest,
    make_bundle_file: Callable[..., tuple[Path, Classifier]],
    capsys: CaptureFixture[str],
) -> None:
    teacher, _ = make_bundle_file()
    light = replace(request_run, network="mobilenet_v1_025", recipe="distill", teacher=teacher)
    assert f"teacher   mobilenet_v1_025 from {teacher}" in shown(light, capsys)


def test_every_teachers_cost_is_told(
    request_run: ClassificationRequest,
    make_bundle_file: Callable[..., tuple[Path, Classifier]],
    capsys: CaptureFixture[str],
) -> None:
    small, _ = make_bundle_file()
    large, _ = make_bundle_file("large.safetensors", network="mobilenet_v1_050")
    light = replace(request_run, network="mobilenet_v1_025", recipe="distill", teacher=(small, large), accumulate=3)
    lines = [line for line in shown(light, capsys) if line.startswith(("teacher", " " * 10 + "2"))]
    assert lines[:3] == [
        f"teacher   mobilenet_v1_025 from {small}",
        f"teacher   mobilenet_v1_050 from {large}",
        "          2 teachers: the student learns from the mean of their probabilities",
    ]
    pattern = r"teacher   (\w+): [\d,.]+ M multiply-adds for an image of 32 px, [\d.]+ s per batch \(\d+% of a step\)"
    assert [re.fullmatch(pattern, line)[1] for line in lines[3:]] == ["mobilenet_v1_025", "mobilenet_v1_050"]


def test_only_the_leading_process_talks(
    request_run: ClassificationRequest, job_of: JobMaker, capsys: CaptureFixture[str]
) -> None:
    job = job_of(replace(request_run, network="mobilenet_v1_025", recipe="smooth", epochs=1))
    follower = type("Follower", (type(job.world),), {"leads": False})()
    dry_run(replace(job, world=follower), ["a line"])
    assert capsys.readouterr().out == ""
    dry_run(job, ["a line"])
    assert capsys.readouterr().out.startswith("a line\n")


@mark.parametrize(
    ("change", "message"),
    [
        (
            {"network": "mobilenet_v1_025"},
            "zero gamma needs residual blocks and MobileNetV1 has none; add --without zero-gamma",
        ),
        ({"network": "inception_v3", "image_size": 75}, "zero gamma needs residual blocks and InceptionV3 has none"),
        ({"recipe": "d-distill"}, "has no teacher"),
        ({"image_size": 16}, "--image-size 16: resnet18_d needs 32 pixels or more"),
    ],
)
def test_what_the_run_would_refuse_is_refused(
    request_run: ClassificationRequest, change: dict[str, Any], message: str
) -> None:
    with raises(UserError, match=message):
        run_classification(replace(request_run, dry_run=True, **change))


def test_the_number_of_threads_is_what_the_machine_line_says(
    request_run: ClassificationRequest, capsys: CaptureFixture[str]
) -> None:
    lines = shown(replace(request_run, network="mobilenet_v1_025", recipe="smooth", epochs=1), capsys)
    assert f"machine   1 x cpu, fp32, {torch.get_num_threads()} threads, 0 workers" in lines
