"""Transfers from Python: arguments, one process for several of them, and reading what they found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import torch
from mmengine.logging import MMLogger
from pytest import MonkeyPatch, fixture, mark, raises

from backbones import UserError, make_shapes
from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.models import create_classifier
from transfer import read_detections, read_segmentations, to_detection, to_segmentation
from transfer.evaluation.files import write_evaluation
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage
from transfer.openmmlab import trunk

ROOT = Path(__file__).resolve().parents[2]
DETECTION, SEGMENTATION = (
    str(ROOT / each) for each in ("det_configs/faster_rcnn_fpn_demo.py", "seg_configs/fcn_os8_demo.py")
)


def write_run(folder: Path, red: float = 123.68) -> Path:
    torch.manual_seed(0)
    contract = replace(imagenet_contract(32), mean=(red, 116.779, 103.939))
    folder.mkdir(exist_ok=True)
    facts = {"recipe": "d-smooth", "network": "resnet18_d", "seed": 0}
    write_bundle(folder / "backbone.safetensors", create_classifier("resnet18_d", 3), "resnet18_d", contract, facts)
    return folder


@fixture(scope="module")
def shapes(tmp_path_factory: Any) -> Path:
    return make_shapes(tmp_path_factory.mktemp("shapes") / "data", 8, 64, layouts=("detection", "segmentation"))


@mark.parametrize(
    ("given", "message"),
    [
        ({"backbone": "random:resnet18_d", "out": "run"}, "to_detection() needs config="),
        ({"backbone": "random:resnet18_d", "config": DETECTION}, "needs out=, except with dry_run or dump_config"),
        ({"backbon": "x", "config": DETECTION}, "to_detection() has no 'backbon'; did you mean backbone?"),
        ({"backbone": ROOT, "config": DETECTION, "out": "run"}, "no backbone.safetensors in it"),
        ({"backbone": "x", "config": DETECTION, "out": "run", "cfg_options": "a=b"}, "a list of texts is wanted"),
        ({"backbone": "x", "config": DETECTION, "dry_run": True, "dump_config": "a.py"}, "dry_run or dump_config"),
        ({"backbone": "x", "config": DETECTION, "dump_config": "a.py", "tensorboard": True}, "and no tensorboard"),
        ({"backbone": "nothing", "config": DETECTION, "out": "run"}, "--backbone nothing: there is no such run folder"),
        ({"backbone": "x", "config": ROOT / "det_configs", "out": "run"}, "no such configuration file"),
    ],
)
def test_wrong_arguments_are_told_and_leave_nothing(
    given: dict[str, Any], message: str, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with raises(UserError) as caught:
        to_detection(**given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_openmmlab_imported_too_early_is_told() -> None:
    code = f"""
import sys, types
sys.modules["mmseg.models"] = types.ModuleType("mmseg.models")
from backbones import UserError
from transfer import to_detection
try:
    to_detection(config={DETECTION!r}, backbone="random:resnet18_d", dry_run=True)
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("to_detection(): mmseg.models imported before install()")
    assert "restart Python" in done.stdout


class Kept:
    """A memory that nothing clears and that looks at no file's time."""

    def __init__(self, read: Callable[..., Any]) -> None:
        self.read, self.first = read, None

    def __call__(self, *asked: Any) -> Any:
        self.first = self.first or self.read(*asked)
        return self.first

    def cache_clear(self) -> None:
        """Keeps it."""


@mark.parametrize("fresh", [True, False])
def test_a_bundle_that_was_written_anew_is_read_anew(fresh: bool, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """The second half keeps what was opened, whatever became of its file: the old bundle is transferred."""
    run, plan = write_run(tmp_path / "cls"), tmp_path / "plan.py"
    if not fresh:
        monkeypatch.setattr(trunk, "_open", Kept(trunk._open.__wrapped__))
    to_segmentation(config=SEGMENTATION, backbone=run, dump_config=plan)
    assert "123.68" in plan.read_text()
    write_run(run, red=99.5)
    plan.unlink()
    to_segmentation(config=SEGMENTATION, backbone=run, dump_config=plan)
    assert ("99.5" in plan.read_text()) == fresh


@mark.slow
def test_transfers_of_both_tasks_follow_each_other(shapes: Path, tmp_path: Path) -> None:
    """The third is the first again, in its folder, from which the first was removed."""
    bundle = write_run(tmp_path / "cls")
    common: dict[str, Any] = {"backbone": bundle, "workers": 0, "precision": "fp32"}

    def segment() -> tuple[dict[str, float], list[float]]:
        out = tmp_path / "seg"
        data, options = shapes / "ADEChallengeData2016", ["train_cfg.max_iters=2"]
        result = to_segmentation(config=SEGMENTATION, data=data, out=out, cfg_options=options, **common)
        assert len(read_segmentations(out).names) == 6
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        return result["metrics"], [line["loss"] for line in lines]

    first = segment()
    assert not any(str(tmp_path) in str(log.handlers) for log in MMLogger._instance_dict.values())
    options = ["train_cfg.max_epochs=1"]
    to_detection(config=DETECTION, data=shapes / "VOCdevkit", out=tmp_path / "det", cfg_options=options, **common)
    assert len(read_detections(tmp_path / "det").names) == 6
    rmtree(tmp_path / "seg")
    assert segment() == first
    assert len(first[1]) == 2


def test_the_run_folder_and_the_file_in_it_are_read_alike(tmp_path: Path) -> None:
    boxes = np.array([[1.0, 2.0, 3.0, 4.0]], np.float32)
    image = EvaluatedImage(boxes, np.array([0]), np.array([False]), boxes, np.array([0]), np.array([0.5], np.float32))
    write_evaluation(tmp_path / "evaluation.npz", DetectionEvaluation(("cat",), ("a.jpg",), [image]))
    for given in (tmp_path, str(tmp_path), tmp_path / "evaluation.npz"):
        found = read_detections(given)
        assert (found.classes, found.names) == (("cat",), ("a.jpg",))
        assert np.array_equal(found.images[0].found_boxes, boxes)
    with raises(UserError, match=r"evaluation\.npz holds detection .* not segmentation"):
        read_segmentations(tmp_path)


def test_what_is_no_run_is_told_and_nothing_is_to_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    for given, message in (
        (tmp_path, r"holds no evaluation\.npz; is it the folder of a finished transfer\?"),
        (tmp_path / "result.json", r"is not a run's evaluation\.npz; give that file, or the run folder"),
        (tmp_path / "nothing", "does not exist"),
        (3, r"read_detections\(3\): a path is wanted"),
    ):
        with raises(UserError, match=message) as caught:
            read_detections(given)
        assert "delete" not in str(caught.value)
