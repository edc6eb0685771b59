"""Tables: labels of images in a CSV, colours of classes, and the plan of an adaptive study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from backbones.data.folders.folder_parts import open_images
from backbones.data.folders.image_folder import verify_images
from campaigns.formats.format import Format
from campaigns.formats.pictures import noise
from campaigns.formats.runs import build_runs
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.fields import json_field
from campaigns.mutators.mutation import BYTES, MISSING, TYPE, VALUE, WORDS
from campaigns.mutators.words import JSON, LINES, with_words
from studies.comparison.compare import compare_runs
from studies.report.forms.text import as_text
from studies.statistics.looks import Looks
from transfer.data.masks.check import check_masks
from transfer.data.masks.folder import recognise_masks

_SIDE = 24
_FREE = (BYTES, VALUE, MISSING, WORDS, TYPE)  # texts have no checksums, and labels may be numbers or words
_COLOURS = {"sky": (0, 0, 255), "sea": (0, 255, 0), "void": (0, 0, 0)}
_LINES = (*DAMAGE, *[with_words(*LINES, "0", "256", "7" * 5000, ",", '"')] * 8)


def _build_table(root: Path) -> None:
    for place, part in enumerate(("train", "val")):
        lines = ["path,label"]
        for number in range(4):
            name = f"{part}-{number}.png"
            noise(_SIDE, 10 * place + number).save(root / name)
            lines.append(f"{name},{('cat', 'dog')[number % 2]}")
        (root / f"{part}.csv").write_text("\n".join(lines) + "\n")


def _read_table(folder: Path) -> Any:
    data = open_images(folder)
    verify_images(data, workers=1)
    return data.classes, [[(split.path(index), split.labels[index]) for index in range(4)] for split in (data.train,)]


def _build_masks(root: Path) -> None:
    for part in ("train", "val"):
        for folder in ("images", "masks"):
            (root / folder / part).mkdir(parents=True)
        for number in range(2):
            noise(_SIDE, number + 5 * (part == "val")).save(root / "images" / part / f"{number}.jpg")
            labels = np.add.outer(np.arange(_SIDE) // 8, np.arange(_SIDE) // 12) % 3
            colours = np.array(list(_COLOURS.values()), np.uint8)[labels]
            Image.fromarray(colours).save(root / "masks" / part / f"{number}.png")
    (root / "colors.txt").write_text("".join(f"{name} {' '.join(map(str, rgb))}\n" for name, rgb in _COLOURS.items()))


def _read_masks(folder: Path) -> Any:
    found = recognise_masks(folder)
    if found is None:
        return "no folder of masks"
    return found.classes, found.coding, [check_masks(found, part) for part in sorted(found.parts)]


def _build_looks(root: Path) -> None:
    build_runs(root)
    plan = Looks((0, 1, 2, 3, 4), (3, 5))
    (root / "looks.json").write_text(
        json.dumps({"seeds": plan.seeds, "counts": plan.counts, "spending": plan.spending})
    )


def _check(folder: Path) -> list[str]:
    return ["tools/prepare_data.py", "check", str(folder)]


TABLES = (
    Format("table-csv", _build_table, ("*.csv",), _read_table, _LINES, free=_FREE, command=_check),
    Format("colors.txt", _build_masks, ("colors.txt",), _read_masks, _LINES, free=_FREE, command=_check),
    Format("mask-png", _build_masks, ("masks/*/*.png",), _read_masks, DAMAGE, command=_check),
    Format(
        "looks.json",
        _build_looks,
        ("looks.json",),
        lambda folder: as_text(compare_runs(folder)),
        (*DAMAGE, *[with_words(*JSON)] * 5, *[json_field] * 8),
        free=_FREE,
    ),
)
