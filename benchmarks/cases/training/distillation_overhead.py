"""What a teacher costs: the training loop with one relative to the loop without, beside the ratio of their arithmetic.

The student trains with forward and backward pass, three times the multiplications of its forward pass; the teacher has
only a forward pass, in inference mode, in the student's precision. Reading and augmenting images is the same.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.models import create_classifier
from benchmarks.harness.contender import Contender, race
from benchmarks.harness.findings import Findings, SideBySide, compare
from benchmarks.harness.settings import Settings
from benchmarks.subjects.classification_loops import Classifying, ours, training_folder
from benchmarks.subjects.photographs import CLASSES, photographs

TITLE = "Cost of distillation"
QUICK = True
ALONE, TAUGHT = "without a teacher", "with a teacher"
PASSES = 3  # the backward pass computes two products for each one of the forward pass


@dataclass(frozen=True)
class Setting:
    """Sizes in pixels and images; turns of ``steps`` batches."""

    student: str
    teacher: str
    size: int
    batch: int
    steps: int


FULL = (
    Setting("resnet18_d", "resnet50_d", 64, 64, 4),
    Setting("resnet50_d", "resnet152_d", 64, 32, 3),
)
BRIEF = (Setting("resnet18_d", "resnet50_d", 64, 16, 3),)


def measure(settings: Settings) -> Findings:
    """Student alone and student with teacher, in turn."""
    rounds = 2 if settings.quick else settings.rounds
    files = photographs(settings, 16)
    comparisons, figures = [], {}
    for setting in BRIEF if settings.quick else FULL:
        comparison = _compare(settings, setting, files, rounds)
        rates = comparison.rates
        ratios = [one / other for one, other in zip(rates[ALONE], rates[TAUGHT], strict=True)]
        figures[comparison.title] = {
            "time of a step, with / without": statistics.median(ratios),
            "arithmetic, with / without": arithmetic(setting),
        }
        comparisons.append(comparison)
    return Findings(tuple(comparisons), figures)


def arithmetic(setting: Setting) -> float:
    """Multiplications of a step with the teacher relative to one without."""
    student, teacher = (_forward_flops(name, setting.size) for name in (setting.student, setting.teacher))
    return (PASSES * student + teacher) / (PASSES * student)


def _forward_flops(network: str, size: int) -> int:
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        create_classifier(network, CLASSES).eval()(torch.empty(1, 3, size, size))
    return counter.get_total_flops()


def _compare(settings: Settings, setting: Setting, files: list[Path], rounds: int) -> SideBySide:
    title = f"{setting.student} taught by {setting.teacher}, {setting.size} px, batch {setting.batch}"
    folder = settings.scratch / f"{setting.student}_{setting.size}"
    data = training_folder(folder / "data", files, setting.batch * setting.steps * (1 + rounds), CLASSES)
    work = Classifying(data, folder, setting.size, setting.batch, CLASSES)
    teacher = _write_teacher(folder / "teacher.safetensors", setting)
    programs = {ALONE: (work, setting.student), TAUGHT: (work, setting.student, "auto", teacher)}
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(Contender(ours, setting.steps, arguments, folder / f"{name}.log"))
            for name, arguments in programs.items()
        }
        seconds = race(contenders, rounds)
    return compare(title, "images/s", setting.batch * setting.steps, seconds)


def _write_teacher(path: Path, setting: Setting) -> Path:
    """Untrained: what it says does not matter, how long it takes to say it does not depend on it."""
    classes = [f"class{label:05d}" for label in range(CLASSES)]
    training = {"recipe": "d-smooth", "network": setting.teacher, "seed": 0, "classes": classes}
    write_bundle(
        path, create_classifier(setting.teacher, CLASSES), setting.teacher, imagenet_contract(setting.size), training
    )
    return path
