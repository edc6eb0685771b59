"""A classifier from Python: the command's weights, wrong arguments, results and bundles read back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from pytest import mark, raises

from backbones import UserError, read_bundle, read_classifier, read_result, train_classifier

ROOT = Path(__file__).resolve().parents[2]
TINY = {"network": "resnet18_d", "recipe": "d-smooth", "epochs": 1, "batch_size": 9, "image_size": 32, "workers": 0}


def test_the_same_weights_as_by_the_command(small_images: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {**TINY, "precision": "fp32", "device": "cpu", "switched_on": ["mixup=0.1"]}
    result = train_classifier(data=str(small_images), out=tmp_path / "python", **given)
    words = [
        sys.executable,
        str(ROOT / "tools/train_cls.py"),
        "--data",
        str(small_images),
        "--out",
        str(tmp_path / "tool"),
    ]
    for name, value in {**given, "with": "mixup=0.1"}.items():
        if name != "switched_on":
            words += [f"--{name.replace('_', '-')}", str(value)]
    subprocess.run(words, check=True, capture_output=True)
    bundle = read_bundle(tmp_path / "python")
    assert bundle.checksums == read_bundle(tmp_path / "tool/backbone.safetensors").checksums
    assert read_result(tmp_path / "python") == read_result(tmp_path / "python/result.json") == result
    classifier = read_classifier(tmp_path / "python")
    assert not classifier.training
    assert all(torch.equal(value, bundle.tensors[name]) for name, value in classifier.state_dict().items())
    shapes = [(stage.channels, 64 // stage.stride) for stage in bundle.feature_info]
    assert [each.shape[1:3] for each in classifier.trunk.stages(torch.zeros(1, 3, 64, 64))] == shapes


@mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 3}, "train_classifier() has no 'epoch'; did you mean epochs?"),
        ({"lr": 0.1}, "train_classifier() has no 'lr'; "),
        ({"epochs": 0}, "train_classifier(epochs=0): must be 1 or more"),
        ({"precision": "fp8"}, "train_classifier(precision='fp8'): "),
        ({"switched_on": "mixup"}, "train_classifier(switched_on='mixup'): a list of texts is wanted"),
        ({"switched_on": ["mixupp"]}, "mixupp"),
        ({"data": 5}, "train_classifier(data=5): a path is wanted, not a value of type int"),
        ({"data": __file__}, "is not a folder; --data wants one"),
        ({"out": None}, "train_classifier() needs out=, except with dry_run"),
    ],
)
def test_wrong_arguments_are_told_and_leave_nothing(
    given: dict[str, Any], message: str, small_images: Path, tmp_path: Path
) -> None:
    with raises(UserError) as caught:
        train_classifier(**{"data": small_images, "out": tmp_path / "run", **TINY, **given})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_not_there_or_not_finished_is_told(tmp_path: Path) -> None:
    with raises(UserError, match="it is no run folder"):
        read_result(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({}))
    with raises(UserError, match="its run is not finished; resume it"):
        read_result(tmp_path)
    for read in (read_bundle, read_classifier):
        with raises(UserError, match=r"no backbone\.safetensors in it"):
            read(tmp_path)
        with raises(UserError, match="no such run folder or bundle"):
            read(tmp_path / "nothing")
    for read in (read_result, read_bundle, read_classifier):
        with raises(UserError, match=rf"{read.__name__}\(None\): a path is wanted, not None"):
            read(None)
