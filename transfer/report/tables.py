"""Which metrics stand in which of the paper's transfer tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: its number, title, task and metrics; the verdicts are on ``metric``."""

    number: int
    title: str
    task: str
    metrics: tuple[str, ...]
    metric: str


TABLES = (
    PaperTable(8, "Object detection: Faster R-CNN on PASCAL VOC", "detection", ("top1", "voc07_map"), "voc07_map"),
    PaperTable(9, "Semantic segmentation: FCN on ADE20K", "segmentation", ("top1", "pixel_accuracy", "miou"), "miou"),
)
