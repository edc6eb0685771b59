"""What several tests of transfers need: a quick C4 protocol, and run folders as the tools leave them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

METRICS = {
    "classification": ("top1", "top5"),
    "detection": ("voc07_map", "voc_map"),
    "segmentation": ("pixel_accuracy", "miou"),
}


@pytest.fixture(scope="session")
def small_c4() -> tuple[str, ...]:
    """Options that make a C4 protocol quick: small images, few proposals."""
    return (
        "train_dataloader.dataset.pipeline.2.scale=(64,64)",
        "test_dataloader.dataset.pipeline.1.scale=(64,64)",
        "model.rpn_head.feat_channels=32",
        "model.train_cfg.rpn_proposal.max_per_img=20",
        "model.train_cfg.rcnn.sampler.num=8",
        "model.test_cfg.rpn.max_per_img=10",
    )


@pytest.fixture
def add_run() -> Callable[..., Path]:
    """Writes a run folder; without values an unfinished one."""

    def add(
        root: Path,
        task: str,
        recipe: str,
        values: tuple[float, float] | None,
        seed: int = 0,
        network: str = "resnet18_d",
        folder: str | None = None,
        **extra: Any,
    ) -> Path:
        path = root / (folder or f"{recipe}-{network}-{task}-{seed}")
        path.mkdir(parents=True)
        asked = {
            "format": 1,
            "task": task,
            "recipe": recipe,
            "network": network,
            "seed": seed,
            "protocol": f"{task}_demo",
        }
        if task != "classification":
            asked |= {"config_hash": f"{task:.6}123456", "backbone": {}, "proof": {"features": {"equal": True}}}
        asked |= {"data": {"root": "/data", "fingerprint": "f1"}, **extra}
        (path / "run.json").write_text(json.dumps(asked))
        if values is not None:
            metrics = dict(zip(METRICS[task], values, strict=True))
            (path / "result.json").write_text(json.dumps({**asked, "metrics": metrics}))
        return path

    return add


@pytest.fixture
def one_seed(tmp_path: Path, add_run: Callable[..., Path]) -> Path:
    """random, b-standard and d-smooth, one seed each; random has no classification run."""
    for recipe, top1, detection, segmentation in (
        ("d-smooth", 64.0, (33.5, 34.0), (71.25, 41.0)),
        ("b-standard", 61.5, (30.0, 31.0), (70.0, 42.5)),
        ("random", None, (12.25, 11.0), (55.0, 20.0)),
    ):
        if top1 is not None:
            add_run(tmp_path, "classification", recipe, (top1, 90.0))
        add_run(tmp_path, "detection", recipe, detection)
        add_run(tmp_path, "segmentation", recipe, segmentation)
    return tmp_path


@pytest.fixture
def three_seeds(tmp_path: Path, add_run: Callable[..., Path]) -> Path:
    """Detection only: b-standard with seeds 0, 1, 2 and d-smooth with seeds 0, 1, 2, 7."""
    for seed, value in ((0, 30.0), (1, 31.0), (2, 35.0)):
        add_run(tmp_path, "detection", "b-standard", (value, value), seed)
    for seed, value in ((0, 33.0), (1, 35.0), (2, 40.0), (7, 90.0)):
        add_run(tmp_path, "detection", "d-smooth", (value, value), seed)
    return tmp_path
