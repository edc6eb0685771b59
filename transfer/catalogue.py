"""What each task is to whoever runs, reads, compares or reports it: one entry each, and light to import.

A new task is an entry here, a module in ``transfer.evaluation`` that measures it, and a tool that runs it; the
comparison, its verdicts, the bootstrap over images, the report and the suites ask this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

CLASSIFICATION, DETECTION, SEGMENTATION = "classification", "detection", "segmentation"
SINGLE_SCALE, MULTI_SCALE = "evaluation.npz", "evaluation_multi_scale.npz"  # per-image results in a run folder
BOXES, MAPS = "boxes", "maps"  # how an image of the task is drawn


@dataclass(frozen=True)
class Metric:
    """A number of ``result.json``, in percent.

    Attributes:
        key: Its name there.
        name: What tables call it.
        paper: Table and column of the paper that it stands beside; None for none.
        further: It is shown only where some run has it.
    """

    key: str
    name: str
    paper: tuple[int, str] | None = None
    further: bool = False


@dataclass(frozen=True)
class PaperTable:
    """The paper's table of a task: its number and title, and the metrics that stand in it, in their order."""

    number: int
    title: str
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class TaskEntry:
    """One task.

    Attributes:
        tool: The command that runs it.
        short: What the folders of its runs in a suite begin with.
        metrics: All that it measures.
        question: The metric that the answer and the figures are about; None for classification, which is not asked.
        curves: What is drawn of ``metrics.jsonl``: kind of line, key, and title.
        evaluations: Files with its per-image results, and what the names of the metrics measured from each end in.
        reader: "module:function" that reads such a file.
        weighted: "module:function" that measures what it read when image i counts w[i] times: from an evaluation and
            weights (resamples, images) a mapping of metric to shares (resamples,), from 0 to 1.
        per_class: Key of the results of each class that are compared, and its name; None where there are none.
        drawing: ``BOXES`` or ``MAPS``; None where no image is shown.
        table: The paper's.
    """

    tool: str
    short: str
    metrics: tuple[Metric, ...]
    question: str | None = None
    curves: tuple[tuple[str, str, str], ...] = (("step", "loss", "training loss"),)
    evaluations: Mapping[str, str] = field(default_factory=dict)
    reader: str = ""
    weighted: str = ""
    per_class: tuple[str, str] | None = None
    drawing: str | None = None
    table: PaperTable | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Of its metrics."""
        return tuple(metric.key for metric in self.metrics)


TASKS: dict[str, TaskEntry] = {
    CLASSIFICATION: TaskEntry(
        tool="tools/train_cls.py",
        short="cls",
        metrics=(Metric("top1", "top-1", (8, "top1")), Metric("top5", "top-5", further=True)),
        curves=(("epoch", "top1", "top-1, %"), ("step", "loss", "training loss")),
    ),
    # The paper does not say which average precision its mAP is. It stands beside the 11-point one, the convention of
    # VOC2007, and nothing stands beside the area under the curve.
    DETECTION: TaskEntry(
        tool="tools/transfer_det.py",
        short="det",
        metrics=(
            Metric("voc07_map", "mAP 07", (8, "map")),
            Metric("voc_map", "mAP area"),
            Metric("coco_ap", "AP", further=True),
            Metric("coco_ap50", "AP50", further=True),
            Metric("coco_ap75", "AP75", further=True),
        ),
        question="voc07_map",
        evaluations={SINGLE_SCALE: ""},
        reader="transfer.evaluation.files:read_detections",
        weighted="transfer.evaluation.detection:weighted_measures",
        per_class=("voc07_ap", "AP 07"),
        drawing=BOXES,
        table=PaperTable(8, "Object detection: Faster R-CNN on PASCAL VOC", ("top1", "voc07_map")),
    ),
    SEGMENTATION: TaskEntry(
        tool="tools/transfer_seg.py",
        short="seg",
        metrics=(
            Metric("miou", "mIoU", (9, "miou")),
            Metric("pixel_accuracy", "pixAcc", (9, "pixel_accuracy")),
            Metric("miou_multiscale", "mIoU multi", further=True),
            Metric("pixel_accuracy_multiscale", "pixAcc multi", further=True),
        ),
        question="miou",
        evaluations={SINGLE_SCALE: "", MULTI_SCALE: "_multiscale"},
        reader="transfer.evaluation.files:read_segmentations",
        weighted="transfer.evaluation.segmentation:weighted_measures",
        per_class=("iou", "IoU"),
        drawing=MAPS,
        table=PaperTable(9, "Semantic segmentation: FCN on ADE20K", ("top1", "pixel_accuracy", "miou")),
    ),
}


def transfers() -> tuple[str, ...]:
    """The tasks that a backbone is transferred to."""
    return tuple(task for task in TASKS if task != CLASSIFICATION)


def questions() -> dict[str, str]:
    """Of each transfer the metric that the answer is about."""
    return {task: entry.question for task, entry in TASKS.items() if entry.question}


def task_of(metric: str) -> str:
    """The task whose runs a metric is measured by.

    Raises:
        KeyError: No task measures it.
    """
    for task, entry in TASKS.items():
        if metric in entry.keys:
            return task
    raise KeyError(metric)


def metric_names() -> dict[str, str]:
    """Metric to the name that tables have for it: those that every comparison shows."""
    return {metric.key: metric.name for metric in _metrics() if not metric.further}


def further_names() -> dict[str, str]:
    """The same of those that are shown where some run has them; top-5 is nowhere."""
    return {metric.key: metric.name for metric in _metrics() if metric.further and metric.key != "top5"}


def paper_sources() -> dict[str, tuple[int, str]]:
    """Metric to table and column of the paper."""
    return {metric.key: metric.paper for metric in _metrics() if metric.paper}


def load(name: str) -> Callable[..., Any]:
    """The function that a "module:function" of an entry names."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def _metrics() -> list[Metric]:
    return [metric for entry in TASKS.values() for metric in entry.metrics]


# The optimizer's settings and schedules. Of ``optim_wrapper`` not all: its ``type`` chooses the arithmetic.
TUNABLE_KEYS = (
    "optim_wrapper.optimizer",
    "optim_wrapper.paramwise_cfg",
    "optim_wrapper.clip_grad",
    "param_scheduler",
)


LEAST_SEARCH = 2
