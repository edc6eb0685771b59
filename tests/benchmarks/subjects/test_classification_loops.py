"""The loops of the classification benchmark take the steps that they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.cases.training.distillation_overhead import Setting, _write_teacher, arithmetic
from benchmarks.harness.contender import Contender
from benchmarks.subjects import classification_loops as classifying
from benchmarks.subjects import tuned_loops
from benchmarks.subjects.classification_loops import Classifying, training_folder
from benchmarks.subjects.photographs import write_made_up

STEPS = 3


class Collected:
    """In place of a ``TurnReporter``."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def step_done(self, loss: float | Tensor) -> None:
        self.losses.append(float(loss))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Classifying:
    folder = tmp_path_factory.mktemp("classifying")
    files = write_made_up(folder / "photographs", 2)
    return Classifying(training_folder(folder / "data", files, 4 * STEPS, 2), folder, 32, 4, 2)


@pytest.mark.parametrize(
    ("loop", "network"),
    [
        (classifying.torchvision_loop, "resnet18"),
        (classifying.timm_loop, "resnet18d"),
        (classifying.ours, "resnet18_d"),
        (tuned_loops.tuned_torchvision_loop, "resnet18"),
        (tuned_loops.tuned_timm_loop, "resnet18d"),
    ],
    ids=["torchvision", "timm", "ours", "torchvision, tuned", "timm, tuned"],
)
def test_every_batch_is_a_step(
    loop: Callable[..., None], network: str, work: Classifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (classifying, tuned_loops):
        monkeypatch.setattr(module, "loader_workers", lambda: 0)
    reporter = Collected()
    loop(reporter, work, network)
    assert len(reporter.losses) == STEPS
    assert all(map(math.isfinite, reporter.losses))


@pytest.mark.parametrize("network", ["resnet18", "resnet18d"])
def test_tuned_peers_compute_in_16_bits_and_channels_last(
    network: str, work: Classifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuned_loops, "loader_workers", lambda: 0)
    monkeypatch.setattr(tuned_loops, "resolve_precision", lambda *_: "bf16")
    seen = []
    pool = torch.nn.functional.cross_entropy

    def looked_at(logits: Tensor, labels: Tensor) -> Tensor:
        seen.append(logits.dtype)
        return pool(logits, labels)

    monkeypatch.setattr(tuned_loops.functional, "cross_entropy", looked_at)
    convolve = torch.nn.Conv2d.forward

    def layout(module: torch.nn.Conv2d, images: Tensor) -> Tensor:
        seen.append(images.is_contiguous(memory_format=torch.channels_last))
        return convolve(module, images)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", layout)
    loop = tuned_loops.tuned_timm_loop if network.endswith("d") else tuned_loops.tuned_torchvision_loop
    loop(Collected(), work, network)
    assert set(seen) == {torch.bfloat16, True}


def test_a_student_of_an_untrained_teacher(work: Classifying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifying, "loader_workers", lambda: 0)
    setting = Setting("resnet18_d", "resnet18_d", work.size, work.batch, STEPS)
    teacher = _write_teacher(work.folder / "teacher.safetensors", setting)
    reporter = Collected()
    classifying.ours(reporter, work, setting.student, teacher=teacher)
    assert len(reporter.losses) == STEPS
    assert min(reporter.losses) > 50  # T^2 = 400 times the entropy of two classes that a teacher cannot tell apart


def test_two_processes_share_the_batches(work: Classifying) -> None:
    arguments = (work, "resnet18_d", 2)
    with Contender(classifying.ours_in_processes, STEPS, arguments, work.folder / "processes.log") as contender:
        contender.turn()
    assert len(contender.losses) == STEPS
    (run,) = (work.folder / "2").iterdir()
    assert '"processes": 2' in (run / "run.json").read_text()


def test_a_folder_of_links(tmp_path: Path) -> None:
    root = training_folder(tmp_path / "data", write_made_up(tmp_path / "photographs", 2), 7, 3)
    assert len(list((root / "train").rglob("*.jpg"))) == 7
    assert len(list((root / "val").rglob("*.jpg"))) == 3
    assert sorted(folder.name for folder in (root / "train").iterdir()) == ["class00000", "class00001", "class00002"]


def test_a_teacher_of_the_students_own_size_adds_a_third() -> None:
    assert arithmetic(Setting("resnet18_d", "resnet18_d", 64, 1, 1)) == pytest.approx(4 / 3)
    assert arithmetic(Setting("resnet18_d", "resnet50_d", 64, 1, 1)) > 5 / 3
