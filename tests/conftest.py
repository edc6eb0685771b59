"""Fixtures shared by all tests: the licensed images beside the checkout, and run folders as the tools leave them."""

from __future__ import annotations

import importlib
import json
import signal
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

# A shell that starts the tests in the background has them ignore Ctrl-C, and every program they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ("fast_selection", "heavy_first")

METRICS = {
    "classification": ("top1", "top5"),
    "detection": ("voc07_map", "voc_map"),
    "segmentation": ("pixel_accuracy", "miou"),
}
_ARCHIVES = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    """Import yapf once: its first import writes a cache, and a second process must not read it half written."""
    if not hasattr(config, "workerinput"):
        importlib.import_module("yapf")


def _unpack(name: str, factory: pytest.TempPathFactory) -> Path:
    archive = _ARCHIVES / f"{name}.tar"
    if not archive.is_file():
        pytest.skip(f"{name}.tar is not in shared/data beside the checkout")
    target = factory.mktemp("realdata")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    return target / name


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder of the tests' own, for this process and those it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARRYOVER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def voc2007_subset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds ``VOCdevkit``: 500 trainval and 300 test images of PASCAL VOC2007."""
    return _unpack("voc2007-subset", tmp_path_factory)


@pytest.fixture(scope="session")
def stanford_background(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``images``, ``annotations`` (from 0, 255 = ignore), ``classes.txt``, ``train.txt``, ``val.txt``."""
    return _unpack("stanford-background", tmp_path_factory)


@pytest.fixture(scope="session")
def ade20k_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds ``ADEChallengeData2016``: 19 colour images."""
    return _unpack("ade20k-samples", tmp_path_factory)


@pytest.fixture(scope="session")
def ade20k_gray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds ``ADEChallengeData2016``: 200 images without colour."""
    return _unpack("ade20k-gray", tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ImageFolder tree ``{train,val}/WNID/*.JPEG``: 100 classes at 64 x 64."""
    return _unpack("tiny-imagenet-100", tmp_path_factory)


@pytest.fixture(autouse=True)
def event_files_in_order() -> None:
    """TensorBoard reads what one process wrote in one second by the names of the files, in which 10 comes before 9."""
    writer = sys.modules.get("tensorboard.summary.writer.event_file_writer")
    if writer is not None:
        writer._global_uid = writer.AtomicCounter(0)


@pytest.fixture
def own_registries() -> Iterator[None]:
    """Tricks and recipes that a test adds, by a plugin or by itself, are gone after it."""
    from backbones.recipes import plugin
    from backbones.recipes.recipe import RECIPES
    from backbones.tricks import TRICKS

    before = [(table, dict(table)) for table in (TRICKS, RECIPES)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin, "_loaded", {})
        patch.setattr(plugin, "_origins", {})
        yield
    for table, entries in before:
        table.clear()
        table.update(entries)


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


def _write_image_folder(root: Path, classes: int = 3, train: int = 4, val: int = 2, size: int = 40) -> Path:
    """An ImageFolder tree of coloured noise, one basic colour per class."""
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for label in range(classes):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 120, (size, size + number, 3), dtype=np.uint8)
                pixels[..., label % 3] += 100
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def write_image_folder() -> Callable[..., Path]:
    """Writes an ImageFolder tree into a folder and returns it."""
    return _write_image_folder


@pytest.fixture
def make_image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes an ImageFolder tree below ``tmp_path`` and returns its root."""

    def make(name: str = "data", **counts: int) -> Path:
        return _write_image_folder(tmp_path / name, **counts)

    return make


@pytest.fixture
def make_bundle_file(tmp_path: Path) -> Callable[..., tuple[Path, Any]]:
    """Writes a small classifier whose every tensor is its own, and returns the file and the classifier."""
    import torch

    from backbones.bundles.bundle import write_bundle
    from backbones.bundles.contract import imagenet_contract
    from backbones.models import create_classifier

    def make(
        name: str = "trained.safetensors",
        classes: Sequence[str] | None = ("class0", "class1", "class2"),
        network: str = "mobilenet_v1_025",
        seed: int = 7,
        outputs: int | None = None,
        **contract: object,
    ) -> tuple[Path, Any]:
        torch.manual_seed(seed)
        model = create_classifier(network, outputs or len(classes or "abc")).eval()
        for tensor_name, value in model.state_dict().items():
            if "running_mean" in tensor_name or tensor_name.endswith("bias"):
                value.normal_(0.0, 0.1)
            elif "running_var" in tensor_name:
                value.uniform_(0.5, 1.5)
        whole = replace(imagenet_contract(32), **contract)
        facts = {"recipe": "d-smooth", **({} if classes is None else {"classes": list(classes)})}
        write_bundle(tmp_path / name, model, network, whole, facts)
        return tmp_path / name, model

    return make
