"""Studies whose truth is known, because it was written down: gains, none, an unfinished one, one's own rows, a zoo."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbones.recipes.paper import table_rows

AddRun = Callable[..., Path]
DATA = {"classification": "ImageNet", "detection": "VOCdevkit", "segmentation": "ADEChallengeData2016"}
PROTOCOLS = {
    "classification": "224 px, one central crop",
    "detection": "faster_rcnn_c4_voc07",
    "segmentation": "fcn_os8_ade20k",
}
LEVELS = {"classification": 76.0, "detection": 77.0, "segmentation": 37.0}
HOURS = {"classification": 10.0, "detection": 2.0, "segmentation": 4.0}
TRANSFERS = ("detection", "segmentation")


def add_study(
    root: Path,
    add_run: AddRun,
    rows: Mapping[str, Sequence[float]],
    seeds: int = 5,
    noise: float = 0.25,
    network: str | Mapping[str, str] = "resnet50_d",
    **extra: Any,
) -> Path:
    """Runs of all tasks: by row how far its top-1, mAP and mIoU lie above ``LEVELS``."""
    draw = random.Random(0)
    for recipe, gains in rows.items():
        for seed in range(seeds):
            for task, gain in zip(LEVELS, gains, strict=True):
                value = LEVELS[task] + gain + draw.gauss(0, noise)
                add_measured(root, add_run, task, recipe, value, seed, _of(network, recipe), **extra)
    return root


def add_measured(
    root: Path, add_run: AddRun, task: str, recipe: str, value: float | None, seed: int, network: str, **extra: Any
) -> Path:
    """One run with all that a run of today records and a page shows."""
    facts: dict[str, Any] = {
        "protocol": PROTOCOLS[task],
        "data": {"root": f"/data/{DATA[task]}", "fingerprint": f"{task:.3}-f1", "test_images": 2000},
        "timings": {"total_seconds": 3600 * HOURS[task]},
        "command": f"python tools/{task}.py --recipe {recipe} --seed {seed} --out runs/{recipe}-{seed}/{task}",
    }
    if task != "classification":
        facts["backbone"] = {"seed": seed, "sha256": f"{recipe}-{network}-{seed}"}
        ledger = {"source_tensors": 134, "mapped": 132, "dropped": {"dropped: classifier head": ["a", "b"]}}
        facts["proof"] = {"features": {"equal": True, "stages": [{}] * 4}, "ledger": {**ledger, "digest": "ab" * 32}}
    values = None if value is None else (value, value + 5)
    if task == "segmentation" and value is not None:
        values = (value + 40, value)
    return add_run(root, task, recipe, values, seed, network, **{**facts, **extra})


def known_effects(root: Path, add_run: AddRun) -> Path:
    """The paper's rows, with the paper's own gains."""
    eighth, ninth = table_rows(8), {row["recipe"]: row for row in table_rows(9)}
    gains = {
        row["recipe"]: (
            row["top1"] - eighth[0]["top1"],
            row["map"] - eighth[0]["map"],
            ninth[row["recipe"]]["miou"] - ninth[eighth[0]["recipe"]]["miou"],
        )
        for row in eighth
    }
    gains["random"] = (-75.0, -31.0, -22.0)
    study = add_study(root, add_run, gains)
    for folder in study.glob("random-*-classification-*"):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    return study


def no_effect(root: Path, add_run: AddRun) -> Path:
    """A refinement that gains in top-1 and does nothing else."""
    return add_study(root, add_run, {"b-standard": (0, 0, 0), "d-smooth": (2.3, 0.0, 0.0)}, seeds=8)


def unfinished(root: Path, add_run: AddRun) -> Path:
    """Two seeds each, segmentation of one row under way, another row not finished at all."""
    add_study(root, add_run, {"b-standard": (0, 0, 0), "d-smooth": (2.3, 2.0, 0.6)}, seeds=2, noise=0.4)
    (next(root.glob("d-smooth-*-segmentation-1")) / "result.json").unlink()
    add_measured(root, add_run, "classification", "d-mixup", None, 0, "resnet50_d")
    return root


def own_rows(root: Path, add_run: AddRun) -> Path:
    """Rows that the paper does not have; the baseline is "mine-plain"."""
    rows = {"mine-plain": (0, 0, 0), "mine-smoothing": (2.3, 2.2, 0.2), "mine-cutout": (1.1, -1.4, -0.3)}
    return add_study(root, add_run, rows, network="my_net")


def zoo(root: Path, add_run: AddRun, count: int = 14) -> Path:
    """Many networks: mAP follows top-1, mIoU does not."""
    draw = random.Random(1)
    rows, networks = {}, {}
    for place in range(count):
        gain = 9.0 * place / count - 4
        name = "b-standard" if place == 0 else f"timm:net{place}.in1k"
        rows[name] = (gain, 0.8 * gain + draw.gauss(0, 0.5), draw.gauss(0, 1.5))
        networks[name] = f"net{place}"
    return add_study(root, add_run, rows, seeds=3, network=networks)


def several_settings(root: Path, add_run: AddRun) -> Path:
    """As ``own_rows``, and the same detectors on other data and with another protocol."""
    own_rows(root, add_run)
    draw = random.Random(2)
    for recipe, gain in (("mine-plain", 0.0), ("mine-smoothing", -1.5), ("mine-cutout", 0.4)):
        for seed in range(3):
            for folder, data, protocol in (
                ("coco", "COCO", "faster_rcnn_c4_voc07"),
                ("fpn", "VOCdevkit", "faster_rcnn_fpn_voc07"),
            ):
                value = 40 + gain + draw.gauss(0, 0.2)
                where = {"root": f"/data/{data}", "fingerprint": f"{data}-f2", "test_images": 500}
                if data == "VOCdevkit":
                    where |= {"fingerprint": "det-f1", "test_images": 2000}
                add_measured(
                    root, add_run, "detection", recipe, value, seed, "my_net", protocol=protocol, data=where,
                    config_hash=f"{protocol:.16}{folder}", folder=f"{folder}-{recipe}-{seed}",
                )  # fmt: skip
    return root


def _of(network: str | Mapping[str, str], recipe: str) -> str:
    return network if isinstance(network, str) else network[recipe]
