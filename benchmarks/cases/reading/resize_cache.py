"""What the loader's workers gain from `tools/prepare_data.py resize-cache`: the training view of 224 x 224 pixels from
the original files and from those made smaller once, for originals of 500 x 375 and of 1500 x 1125 pixels (made up,
JPEG quality 90; the cache has quality 95). The shorter side is 256 or 375 pixels. Crops that are smaller than the view
are enlarged from fewer pixels than before; the next section has what that costs in accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from backbones.data.folders.image_folder import ImageSplit, open_image_folder
from backbones.data.loader import ImageBatches
from backbones.data.sampling import Request
from benchmarks.harness.findings import Findings, SideBySide, compare
from benchmarks.harness.interleaved import take_turns
from benchmarks.harness.settings import Settings
from benchmarks.subjects.photographs import image_folder, write_made_up
from transfer.prepare.resize_cache import make_resize_cache

TITLE = "Images made smaller once"
QUICK = True
SIZE = 224


def measure(settings: Settings) -> Findings:
    """Images per second of one thread, and bytes on disk."""
    torch.set_num_threads(1)
    figures: dict[str, dict[str, float]] = {}
    comparisons = (
        _compare_caches(settings, 1, (256,), settings.amount(128, 32), figures),
        _compare_caches(settings, 3, (256, 375), settings.amount(32, 16), figures),
    )
    return Findings(comparisons, figures)


def _compare_caches(
    settings: Settings, scale: int, short_sides: tuple[int, ...], count: int, figures: dict[str, dict[str, float]]
) -> SideBySide:
    folder = settings.scratch / f"scale{scale}"
    root = image_folder(folder / "data", write_made_up(folder / "photographs", count, scale))
    roots = {"originals": root}
    for short_side in short_sides:
        out = folder / f"cache{short_side}"
        make_resize_cache(root, out, short_side, workers=1)
        roots[f"short side {short_side}"] = out
    title = f"files of {500 * scale} x {375 * scale} pixels"
    contenders: dict[str, Callable[[], object]] = {}
    for name, each in roots.items():
        split = open_image_folder(each).train
        contenders[name] = partial(_views, split)
        figures.setdefault(title, {})[f"{name}, kB per file"] = _mean_size(each) / 1000
    return compare(title, "images/s", count, take_turns(contenders, settings.rounds))


def _views(split: ImageSplit) -> None:
    ImageBatches(split, SIZE, 0)[Request(0, np.arange(len(split)))]


def _mean_size(root: Path) -> float:
    return float(open_image_folder(root).train.sizes.mean())
