"""Training a classifier, images/s of the whole loop, reading JPEG files of 500 x 375 pixels included, on all
processors.

Ours is `tools/train_cls.py --recipe d-smooth` with the paper's augmentation. The others are a plain loop around
torchvision's model, `ImageFolder` and transforms (crop, flip, normalisation), and one around timm's `create_model`,
`create_loader` and `create_optimizer_v2`, both at their defaults: float32, NCHW, Pillow. timm has the D variant of
ResNet; torchvision has not, and its network is cheaper by the D variant's stem and shortcuts; the line "of
torchvision's network" is ours with that one. All have a loader process per processor. They are stopped between their
turns.

The losses say whether 16 bits harm: ours in bf16 and in float32 saw the same pictures in the same order from the same
weights, and the other seed is what chance does.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.contender import Contender, race
from benchmarks.harness.findings import Aim, Findings, SideBySide, compare
from benchmarks.harness.loss_spread import loss_figures
from benchmarks.harness.settings import Settings
from benchmarks.subjects.classification_loops import Classifying, ours, timm_loop, torchvision_loop, training_folder
from benchmarks.subjects.photographs import CLASSES, photographs

TITLE = "Training step of a classifier, images/s"
QUICK = True
TORCHVISION, TIMM, OURS, SAME = "torchvision", "timm, D", "ours, D", "ours, of torchvision's network"
AIMS = (Aim(OURS, TORCHVISION, 1.8), Aim(OURS, TIMM, 1.8))
DIFFERENT = 64  # photographs
BF16, FP32, OTHER = "bf16", "fp32", "fp32, another seed"


@dataclass(frozen=True)
class Setting:
    """Size in pixels, batch in images, turns of ``steps`` batches."""

    depth: int
    size: int
    batch: int
    steps: int


FULL = (Setting(18, 64, 64, 8), Setting(18, 224, 32, 2), Setting(50, 64, 32, 4), Setting(50, 224, 8, 2))
BRIEF = (Setting(18, 64, 16, 3),)


def measure(settings: Settings) -> Findings:
    """All loops over links to the same files."""
    chosen = BRIEF if settings.quick else FULL
    rounds = 2 if settings.quick else settings.rounds
    files = photographs(settings, settings.amount(DIFFERENT, 16))
    comparisons = tuple(_compare(_work(settings, setting, files, 1 + rounds), setting, rounds) for setting in chosen)
    return Findings(comparisons, {} if settings.quick else _losses(settings, Setting(18, 64, 32, 20), files))


def _compare(work: Classifying, setting: Setting, rounds: int) -> SideBySide:
    depth, steps = setting.depth, setting.steps
    programs = {
        TORCHVISION: (torchvision_loop, (work, f"resnet{depth}")),
        TIMM: (timm_loop, (work, f"resnet{depth}d")),
        OURS: (ours, (work, f"resnet{depth}_d")),
        SAME: (ours, (work, f"resnet{depth}_b")),
    }
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(Contender(program, steps, arguments, work.folder / f"{number}.log"))
            for number, (name, (program, arguments)) in enumerate(programs.items())
        }
        seconds = race(contenders, rounds)
    title = f"ResNet-{depth}, {setting.size} px, batch {setting.batch}"
    return compare(title, "images/s", setting.batch * steps, seconds, AIMS)


def _losses(settings: Settings, setting: Setting, files: list[Path]) -> dict[str, dict[str, float]]:
    """What bf16 does to the first losses."""
    work = _work(settings, setting, files, 1)
    losses = {}
    for name, precision, seed in ((FP32, "fp32", 0), (BF16, "auto", 0), (OTHER, "fp32", 1)):
        arguments = (work, f"resnet{setting.depth}_d", precision, None, seed)
        with Contender(ours, setting.steps, arguments, work.folder / f"{precision}{seed}.log") as contender:
            contender.turn()
            losses[name] = contender.losses
    return loss_figures(losses, FP32)


def _work(settings: Settings, setting: Setting, files: list[Path], turns: int) -> Classifying:
    folder = settings.scratch / f"{setting.depth}_{setting.size}_{turns}"
    data = training_folder(folder / "data", files, setting.batch * setting.steps * turns, CLASSES)
    return Classifying(data, folder, setting.size, setting.batch, CLASSES)
