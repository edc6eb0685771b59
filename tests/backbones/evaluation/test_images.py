"""What a classifier is tested on where its training held a part of the data out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backbones.bundles.bundle import read_bundle, save_bundle
from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from backbones.evaluation.images import images_to_test
from backbones.evaluation.report import EvaluationRequest, evaluate_bundle
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Path]]:
    """60 images with a table of labels and none to measure on, and trainings that held out two different parts."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARRYOVER_CACHE", str(folder / "cache"))
        data = make_shapes(folder / "shapes", images=60, size=40, layouts=("classification",)) / "classification"
        root = folder / "flat"
        root.mkdir()
        lines = ["path,label"]
        for path in sorted((data / "train").glob("*/*")):
            (root / f"{path.parent.name}_{path.name}").write_bytes(path.read_bytes())
            lines.append(f"{path.parent.name}_{path.name},{path.parent.name}")
        (root / "train.csv").write_text("\n".join(lines))
        runs = [train(root, folder / f"run{seed}", seed) for seed in (0, 3)]
        yield root, runs[0], runs[1]


def train(data: Path, out: Path, seed: int) -> Path:
    options: dict[str, Any] = {"epochs": 1, "batch_size": 18, "image_size": 32, "device": "cpu"}
    run_classification(
        ClassificationRequest(data, "resnet18_d", "d-smooth", out, split=0.4, split_seed=seed, **options)
    )
    return out


def evaluate(model: Path | tuple[Path, ...], data: Path, out: Path) -> dict[str, Any]:
    return evaluate_bundle(EvaluationRequest(model, data, out, device="cpu"))


def test_what_a_training_held_out_is_what_is_tested(
    trained: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, _, out = trained
    asked, result = (json.loads((out / name).read_text()) for name in ("run.json", "result.json"))
    held_out = {"share": 0.4, "seed": 3}
    assert (asked["data"]["layout"], asked["data"]["split"]) == ("images with tables of labels", held_out)
    assert (asked["data"]["train_images"], asked["data"]["val_images"]) == (36, 24)
    report = evaluate(out, data, tmp_path / "report")
    assert "tested on what the training held out (--split 0.4, seed 3)" in capsys.readouterr().out
    assert report["images"] == 24
    assert {name: report["metrics"][name] for name in ("top1", "top5")} == result["metrics"]
    assert report["data"]["held_out"] == held_out
    assert report["data"]["fingerprint"] == asked["data"]["fingerprint"]


def test_a_bundle_says_what_was_held_out_and_a_run_does_where_its_bundle_is_older(
    trained: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    data, _, out = trained
    bundle = read_bundle(out / "backbone.safetensors")
    save_bundle(tmp_path / "alone.safetensors", bundle)
    folder, held_out = images_to_test([tmp_path / "alone.safetensors"], "--model", data)
    assert (len(folder.val), held_out) == (24, HeldOut(0.4, 3))
    del bundle.training["split"]
    save_bundle(tmp_path / "backbone.safetensors", bundle)
    shutil.copy(out / "run.json", tmp_path)
    shutil.copy(out / "result.json", tmp_path)
    assert images_to_test([tmp_path], "--model", data)[0].fingerprint == folder.fingerprint


def test_what_was_held_out_of_other_images_is_unknown(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    data, *runs = trained
    with pytest.raises(UserError, match=r"run3 was trained with another --split or --fraction than .*run0"):
        evaluate(tuple(runs), data, tmp_path / "report")
    other = tmp_path / "flat"
    shutil.copytree(data, other)
    lines = (other / "train.csv").read_text().splitlines()
    (other / "train.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(UserError, match=r"run0 was trained on other images than those of .*flat, a part of them held"):
        evaluate(runs[0], other, tmp_path / "report")
    assert not (tmp_path / "report").exists()
    (other / "val.csv").write_text("\n".join(lines))
    folder, held_out = images_to_test(runs[:1], "--model", other)  # a part of its own
    assert (len(folder.val), held_out) == (60, None)
