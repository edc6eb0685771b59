"""How long the runs of a suite will take: as similar ones took, or as the paper's did, or nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from backbones.errors import UserError
from backbones.files import read_json
from backbones.models import create_backbone, default_image_size
from backbones.recipes import find_recipe
from transfer.suite.definition import CLASSIFICATION
from transfer.suite.planned import PlannedRun

# Table 3: minutes per epoch of ResNet-50 on ImageNet's 1,281,167 training images with 8 V100, in 16 bits and in 32.
PAPER_IMAGES, PAPER_GPUS, PAPER_MINUTES, PAPER_MINUTES_FP32 = 1_281_167, 8, 4.4, 13.3
PAPER_NETWORK = "resnet50_a"
TRAINING_PASSES = 3  # forward, and backward at twice its cost; a teacher only goes forward
MEASURED, PAPER, UNKNOWN = "measured", "Table 3", "unknown"
GPU, CPU = "GPU", "CPU"


@dataclass(frozen=True)
class Estimate:
    """``hours`` of one device of its kind, times the devices; ``basis`` of the number."""

    hours: float | None = None
    device: str = ""
    basis: str = UNKNOWN


class Estimator:
    """Knows the finished runs in a folder of suites.

    Args:
        out: The suite's folder.
        gpu: Whether the runs will be on GPUs; decides which measurements are of the same kind.
    """

    def __init__(self, out: Path, gpu: bool) -> None:
        self._gpu = gpu
        self._finished = [result for result in _results(out) if _on_gpu(result) == gpu]

    def of(self, run: PlannedRun) -> Estimate:
        """For a run from its beginning."""
        facts = run.facts or {}
        hours = [found for result in self._finished if (found := self._scaled(run, facts, result)) is not None]
        if hours:
            return Estimate(sum(hours) / len(hours), GPU if self._gpu else CPU, MEASURED)
        if run.kind == CLASSIFICATION and self._gpu:
            return self._as_in_the_paper(facts)
        return Estimate()

    def _scaled(self, run: PlannedRun, facts: Mapping[str, Any], result: Mapping[str, Any]) -> float | None:
        """Device-hours of a finished run of the same kind, for the images of this one."""
        if result.get("task") != run.kind or result.get("network") != facts.get("network"):
            return None
        hours = result["timings"]["total_seconds"] * result["hardware"].get("processes", 1) / 3600
        if run.kind != CLASSIFICATION:
            return hours if result.get("protocol") == facts.get("protocol") else None
        settings, epochs, images = result["settings"], _epochs(facts), facts.get("images")
        side = (facts.get("asked") or {}).get("image_size")
        teacher = bool(result.get("teacher")) == bool(find_recipe(facts["recipe"]).distillation)
        if not images or not teacher or (side and side != settings["image_size"]):
            return None
        return hours * epochs * images / (settings["epochs"] * result["data"]["train_images"])

    def _as_in_the_paper(self, facts: Mapping[str, Any]) -> Estimate:
        """By multiply-adds, from the paper's own speed."""
        images, recipe = facts.get("images"), find_recipe(facts["recipe"])
        if not images:
            return Estimate()
        side = (facts.get("asked") or {}).get("image_size")
        cost = TRAINING_PASSES * multiply_adds(facts["network"], side)
        if facts.get("teacher"):
            cost += multiply_adds(facts["teacher"], side or default_image_size(facts["network"]))
        elif recipe.distillation:  # by a bundle, whose network is not known yet
            return Estimate()
        minutes = PAPER_MINUTES_FP32 if recipe.low_precision is False else PAPER_MINUTES
        relative = cost / (TRAINING_PASSES * multiply_adds(PAPER_NETWORK, None)) * images / PAPER_IMAGES
        return Estimate(_epochs(facts) * relative * PAPER_GPUS * minutes / 60, f"V100 {GPU}", PAPER)


@cache
def multiply_adds(network: str, side: int | None) -> float:
    """Of one image in the forward direction; ``side`` in pixels, None: the network's own."""
    with torch.device("meta"):  # nothing is computed
        trunk = create_backbone(network).eval()
        pixels = side or default_image_size(network)
        image = torch.empty(1, 3, pixels, pixels)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        trunk(image)
    return counter.get_total_flops() / 2


def _epochs(facts: Mapping[str, Any]) -> int:
    return (facts.get("asked") or {}).get("epochs") or find_recipe(facts["recipe"]).epochs


def _results(out: Path) -> Iterator[dict[str, Any]]:
    """Readable results with what an estimate needs; runs that resumed on other hardware count as they are."""
    for path in (path for group in ("runs", "teachers") for path in out.glob(f"{group}/*/*/result.json")):
        try:
            result = read_json(path)
        except UserError:
            continue
        if isinstance(result, dict) and all(
            isinstance(result.get(key), dict) for key in ("timings", "hardware", "data")
        ):
            yield result


def _on_gpu(result: Mapping[str, Any]) -> bool:
    return str(result["hardware"].get("device", "")).startswith("cuda")
