"""Training a classifier beside torchvision's and timm's loops at their best, images/s of the whole loop.

As in the section on the training step of a classifier, but for the others: they too compute in the machine's 16-bit
format by autocast (timm's `--amp --amp-dtype bfloat16`, torchvision's `--amp`) and in channels_last
(`--channels-last`), their loader processes stay, and no loss is read before its turn is over. Their augmentation is
still their defaults', which is less than the paper's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.cases.training.classification_step import DIFFERENT, Setting
from benchmarks.harness.contender import Contender, race
from benchmarks.harness.findings import Aim, Findings, SideBySide, compare
from benchmarks.harness.settings import Settings
from benchmarks.subjects.classification_loops import Classifying, ours, training_folder
from benchmarks.subjects.photographs import CLASSES, photographs
from benchmarks.subjects.tuned_loops import tuned_timm_loop, tuned_torchvision_loop

TITLE = "A classifier beside torchvision and timm at their best, images/s"
QUICK = False
TORCHVISION, TIMM, OURS, SAME = "torchvision", "timm, D", "ours, D", "ours, of torchvision's network"
AIMS = (Aim(SAME, TORCHVISION, 1.0), Aim(OURS, TIMM, 1.0))
SETTINGS = (Setting(18, 64, 64, 8), Setting(18, 224, 32, 2), Setting(50, 64, 32, 4), Setting(50, 224, 8, 2))


def measure(settings: Settings) -> Findings:
    """All loops over links to the same files."""
    files = photographs(settings, settings.amount(DIFFERENT, 16))
    chosen = settings.amount(len(SETTINGS), 1)
    return Findings(tuple(_compare(settings, setting, files) for setting in SETTINGS[:chosen]))


def _compare(settings: Settings, setting: Setting, files: list[Path]) -> SideBySide:
    rounds = settings.amount(settings.rounds, 2)
    depth, steps = setting.depth, setting.steps
    folder = settings.scratch / f"{depth}_{setting.size}"
    data = training_folder(folder / "data", files, setting.batch * steps * (1 + rounds), CLASSES)
    work = Classifying(data, folder, setting.size, setting.batch, CLASSES)
    programs: dict[str, tuple[Callable[..., None], str]] = {
        TORCHVISION: (tuned_torchvision_loop, f"resnet{depth}"),
        TIMM: (tuned_timm_loop, f"resnet{depth}d"),
        OURS: (ours, f"resnet{depth}_d"),
        SAME: (ours, f"resnet{depth}_b"),
    }
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(Contender(program, steps, (work, network), folder / f"{number}.log"))
            for number, (name, (program, network)) in enumerate(programs.items())
        }
        seconds = race(contenders, rounds)
    title = f"ResNet-{depth}, {setting.size} px, batch {setting.batch}"
    return compare(title, "images/s", setting.batch * steps, seconds, AIMS)
