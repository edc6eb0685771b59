"""How long the runs of a suite will take: as similar ones took, or as others say that theirs did, or nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from backbones.errors import UserError, not_none
from backbones.models import create_backbone, default_image_size
from backbones.recipes.recipe_file import chosen_recipe
from backbones.recipes.switches import needs_teacher
from backbones.runs.record import read_record
from studies.suite.costs import stated_speeds
from studies.suite.costs.stated_speeds import PAPER_GPUS, PAPER_IMAGES
from studies.suite.planned_run import PlannedRun
from transfer.catalogue import CLASSIFICATION

TRAINING_PASSES = 3  # forward, and backward at twice its cost; a teacher only goes forward
# Up to this ratio of image sides, time goes with multiply-adds; far smaller images leave a GPU waiting for the rest.
SIMILAR_SIDES = 2
MEASURED, UNKNOWN = "finished runs like it in the suite's folder", "unknown"
OTHERS = "other networks of its family by multiply-adds"
GPU, CPU = "GPU", "CPU"


@dataclass(frozen=True)
class Estimate:
    """``hours`` of one ``device``, times the devices, None where nobody knows; ``basis``: whose figures those are."""

    hours: float | None = None
    device: str = ""
    basis: str = UNKNOWN


_NEEDED = (("timings", "total_seconds"),)
_OF_A_TRAINING = (("settings", "epochs"), ("settings", "image_size"), ("data", "train_images"))


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
        """For a run from its beginning; with what others state, whatever this machine is, where nothing is measured."""
        facts = run.facts or {}
        hours = [found for result in self._finished if (found := self._scaled(run, facts, result)) is not None]
        if hours:
            return Estimate(sum(hours) / len(hours), GPU if self._gpu else CPU, MEASURED)
        return _as_in_the_paper(facts) if run.kind == CLASSIFICATION else _as_stated(facts)

    def _scaled(self, run: PlannedRun, facts: Mapping[str, Any], result: Mapping[str, Any]) -> float | None:
        """Device-hours of a finished run of the same kind, for the images of this one."""
        if result.get("task") != run.kind or result.get("network") != facts.get("network"):
            return None
        hours = result["timings"]["total_seconds"] * result["hardware"].get("processes", 1) / 3600
        if run.kind != CLASSIFICATION:
            return hours if result.get("protocol") == facts.get("protocol") else None
        settings, epochs, images = result["settings"], _epochs(facts), facts.get("images")
        side = (facts.get("asked") or {}).get("image_size")
        teacher = bool(result.get("teacher")) == needs_teacher(chosen_recipe(facts["recipe"]))
        if not images or not teacher or (side and side != settings["image_size"]):
            return None
        return hours * epochs * images / (settings["epochs"] * result["data"]["train_images"])


def _as_in_the_paper(facts: Mapping[str, Any]) -> Estimate:
    """Table 3's time of the nearest network, by epochs, images and multiply-adds; a teacher's by those of its own."""
    asked, images, recipe = facts.get("asked") or {}, facts.get("images"), chosen_recipe(facts["recipe"])
    network, teacher = facts["network"], facts.get("teacher")
    side, usual = asked.get("image_size"), default_image_size(network)
    if not images or (side and not usual / SIMILAR_SIDES <= side <= usual * SIMILAR_SIDES):
        return Estimate()
    if needs_teacher(recipe) and not teacher:  # a bundle's, whose network is not known yet
        return Estimate()
    full = recipe.low_precision is False or asked.get("precision") == "fp32"
    row = stated_speeds.nearest(network)
    if row is None or (teacher and stated_speeds.nearest(teacher) is None):
        return Estimate()  # neither are of the paper's
    minutes = _epoch_minutes(network, side, full)
    stated = (
        f"{row.baseline:g} minutes (32 bits, batch 256)" if full else f"{row.efficient:g} minutes (16 bits, batch 1024)"
    )
    basis = (
        f"Table 3 of the paper, {PAPER_GPUS} V100: {stated} per epoch of ImageNet for {row.label}; {OTHERS}, and a "
        "teacher's forward passes from its own family's"
    )
    if teacher:
        minutes += _epoch_minutes(teacher, side or usual, full) / TRAINING_PASSES
    hours = _epochs(facts) * minutes * images / PAPER_IMAGES * PAPER_GPUS / 60
    return Estimate(hours, stated_speeds.GPU, basis)


def _epoch_minutes(network: str, side: int | None, full_precision: bool) -> float:
    """For ImageNet, with the paper's GPUs."""
    row = not_none(stated_speeds.nearest(network))
    minutes = row.baseline if full_precision else row.efficient
    return minutes * multiply_adds(network, side) / multiply_adds(row.network, None)


def _as_stated(facts: Mapping[str, Any]) -> Estimate:
    """As others say of the same detector or segmentor, by images seen and multiply-adds of the trunk."""
    speed, network = stated_speeds.TRANSFER_SPEEDS.get(facts.get("protocol", "")), facts.get("network")
    if speed is None or network is None:
        return Estimate()
    length = 1.0
    for setting in (facts.get("asked") or {}).get("cfg_options") or ():
        key, _, value = setting.partition("=")
        if key == speed.length[0] and value.isdecimal():
            length = int(value) / speed.length[1]
        elif not key.startswith(stated_speeds.TIMELESS_SETTINGS):
            return Estimate()
    hours = speed.hours * length * multiply_adds(network, None) / multiply_adds(speed.network, None)
    return Estimate(hours, stated_speeds.GPU, f"{speed.source}; other trunks by multiply-adds")


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
    return (facts.get("asked") or {}).get("epochs") or chosen_recipe(facts["recipe"]).epochs


def _results(out: Path) -> Iterator[dict[str, Any]]:
    """Readable results with what an estimate needs; runs that resumed on other hardware count as they are."""
    for path in (path for group in ("runs", "teachers") for path in out.glob(f"{group}/*/*/result.json")):
        try:
            result = read_record(path)
        except UserError:
            continue
        needed = [*_NEEDED, *(_OF_A_TRAINING if result.get("task") == CLASSIFICATION else ())]
        if isinstance(result.get("hardware"), dict) and all((result.get(part) or {}).get(key) for part, key in needed):
            yield result


def _on_gpu(result: Mapping[str, Any]) -> bool:
    return str(result["hardware"].get("device", "")).startswith("cuda")
