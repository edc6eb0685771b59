"""What distinguishes detection from segmentation, as far as running a transfer is concerned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from backbones.bundles.bundle import Bundle
from backbones.data.folders.drawing_lots import HeldOut
from backbones.errors import not_none
from transfer.catalogue import TASKS
from transfer.evaluation.pictures.jobs import Job

SPLIT_NAMES = ("the training set", "the test set")  # for people


@dataclass(frozen=True)
class Task:
    """A downstream task.

    Attributes:
        name: "detection" or "segmentation".
        framework: The package that trains it, "mmdet" or "mmseg".
        default_classes: The benchmark's own classes, used when neither the data nor the user names any.
        set_classes: Write class names and their number wherever the configuration wants them.
        set_channels: Write what depends on the trunk: channels of neck or heads.
        check_evaluator: Refuse an evaluation that does not measure what ``metrics`` needs.
        check_data: Verify the whole data set before anything trains; returns facts for ``run.json``. The last argument
            allows images that are in the training and in the test set.
        metrics: OpenMMLab's metrics to ours, in percent.
        pictures: From a runner that has tested, the results per image, the metric that holds them, and the folder of
            the images: names of pictures, and what draws each.
        bfloat16_modules: Submodules that may compute in bf16.
        per_class: OpenMMLab's metrics to ours of each class, in percent.
        adopt: Have the configuration's data sets read what their folder holds, where that is in another layout than the
            protocol's, and hold a part out where that is asked for; returns what gives the names of its classes, or
            None where nothing has changed.
    """

    name: str
    framework: str
    default_classes: Callable[[], tuple[str, ...]]
    set_classes: Callable[[Config, tuple[str, ...]], None]
    set_channels: Callable[[Config, Bundle], None]
    check_evaluator: Callable[[Config], None]
    check_data: Callable[[Config, tuple[str, ...], bool], dict[str, Any]]
    metrics: Callable[[Mapping[str, float]], dict[str, float]]
    pictures: Callable[[Runner, Any, Any, Path], Iterable[tuple[str, Job]]]
    bfloat16_modules: tuple[str, ...]
    per_class: Callable[[Mapping[str, float]], dict[str, dict[str, float]]] = lambda measured: {}
    adopt: Callable[[Config, HeldOut | None], Callable[[], tuple[str, ...]] | None] = lambda config, held_out: None

    @property
    def main_metric(self) -> str:
        """The one that the task is asked for, by which a validation is the best so far."""
        return not_none(TASKS[self.name].question)


def innermost_datasets(config: Config) -> Iterator[tuple[str, Any]]:
    """("train" | "val" | "test", data set) for every data set that reads files, inside whatever repeats or joins it."""
    for split in ("train", "val", "test"):
        loader = config.get(f"{split}_dataloader")
        if loader:
            yield from ((split, dataset) for dataset in _unwrapped(loader.dataset))


def _unwrapped(dataset: Any) -> Iterator[Any]:
    if "datasets" in dataset:
        for inner in dataset.datasets:
            yield from _unwrapped(inner)
    elif "dataset" in dataset:
        yield from _unwrapped(dataset.dataset)
    else:
        yield dataset


def draw_fraction(config: Config, fraction: float) -> None:
    """Train on a share of the training images, from 0 to 1; all repetitions are of the same ones."""
    from transfer import drawn_share  # noqa: F401 -- registers it

    for split, dataset in list(innermost_datasets(config)):
        if split == "train":
            inner = ConfigDict(dataset)
            dataset.clear()
            dataset.update(type="DrawnShare", fraction=fraction, dataset=inner)


def set_data_root(config: Config, root: Path) -> None:
    """Point every data set at a folder."""
    for _, dataset in innermost_datasets(config):
        dataset.data_root = str(root)
