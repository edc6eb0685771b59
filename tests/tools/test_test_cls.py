"""tools/test_cls.py as a person runs it, on a run of tools/train_cls.py and on bundles from elsewhere."""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from forked_tools import run_tool
from PIL import Image
from pytest import CaptureFixture, TempPathFactory, approx, fixture, mark, raises

from backbones.bundles.bundle import read_bundle, write_bundle
from backbones.bundles.contract import InputContract, imagenet_contract
from backbones.bundles.loading import trained_classifier
from backbones.data.augmentation import validation_view
from backbones.errors import UserError
from backbones.evaluation.report import EvaluationRequest, evaluate_bundle
from backbones.files import sha256_file
from backbones.models import create_classifier
from tools.test_cls import main

TOOLS = Path(__file__).resolve().parents[2] / "tools"
FILES = (
    "calibration.csv",
    "calibration.png",
    "confusion.csv",
    "confusion.png",
    "evaluation.json",
    "per_class.csv",
    "per_class.png",
)


def run(tool: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run_tool([TOOLS / tool, *map(str, arguments)], {**os.environ, "OMP_NUM_THREADS": "1"})


@fixture(scope="module")
def data(tmp_path_factory: TempPathFactory) -> Path:
    """Six classes of shapes: 60 training and 15 validation images."""
    out = tmp_path_factory.mktemp("shapes") / "shapes"
    process = run("make_shapes.py", "--images", 60, "--size", 40, "--layouts", "classification", "--out", out)
    assert process.returncode == 0, process.stderr
    return out / "classification"


@fixture(scope="module")
def finished_run(data: Path, tmp_path_factory: TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    options = ("--network", "resnet18_d", "--recipe", "d-smooth", "--epochs", 1, "--batch-size", 20)
    options += ("--image-size", 32, "--workers", 0, "--device", "cpu")
    process = run("train_cls.py", "--data", data, *options, "--out", out)
    assert process.returncode == 0, process.stderr
    return out


Bundles = Callable[..., Path]


@fixture
def make_bundle(data: Path, tmp_path: Path) -> Bundles:
    """Writes a bundle with random weights for the classes of ``data``."""

    def make(name: str, order: list[int] | None = None, **changes: Any) -> Path:
        torch.manual_seed(changes.pop("seed", 0))
        classes = sorted(path.name for path in (data / "val").iterdir())
        model = create_classifier("resnet18_d", len(classes))
        if "weights" in changes:
            model.head.weight.data.fill_(changes.pop("weights"))
        if order:
            classes = [classes[index] for index in order]
            model.head.weight.data = model.head.weight.data[order]
        training = {"classes": classes, **changes.pop("training", {})}
        contract = changes.pop("contract", imagenet_contract(32))
        write_bundle(tmp_path / name, model, "resnet18_d", contract, training)
        return tmp_path / name

    return make


def test_help_is_there_at_once() -> None:
    started = time.monotonic()
    process = run("test_cls.py", "--help")
    assert process.returncode == 0
    assert "evaluation.json" in process.stdout
    assert time.monotonic() - started < 1.5


def test_a_run_has_the_accuracy_its_result_says(finished_run: Path, data: Path, tmp_path: Path) -> None:
    process = run(
        "test_cls.py",
        "--model",
        finished_run,
        "--data",
        data,
        "--device",
        "cpu",
        "--workers",
        1,
        "--out",
        tmp_path / "out",
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    expected = json.loads((finished_run / "result.json").read_text())["metrics"]
    assert {name: report["metrics"][name] for name in ("top1", "top5")} == expected
    assert report["images"] == 15
    assert report["protocol"] == "32 px, one central crop, bilinear"
    assert report["model"]["training"]["recipe"] == "d-smooth"
    assert f"top-1 {expected['top1']:.2f} %" in process.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    for name in ("calibration.png", "confusion.png", "per_class.png"):
        with Image.open(tmp_path / "out" / name) as image:
            assert len(image.convert("L").getcolors()) > 20


def evaluate(model: Path | tuple[Path, ...], data: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return evaluate_bundle(EvaluationRequest(model, data, out, device="cpu", **changes))


def test_classes_are_matched_by_name(make_bundle: Bundles, data: Path, tmp_path: Path) -> None:
    one = evaluate(make_bundle("a"), data, tmp_path / "one", batch_size=4)
    other = evaluate(make_bundle("b", order=[3, 0, 5, 1, 4, 2]), data, tmp_path / "other")
    assert [row["class"] for row in other["per_class"]] == sorted(row["class"] for row in other["per_class"])
    for mine, theirs in zip(one["per_class"], other["per_class"], strict=True):
        assert mine == theirs
    assert other["metrics"] == approx(one["metrics"])


def test_a_wrong_order_would_have_shown(make_bundle: Bundles, data: Path, tmp_path: Path) -> None:
    one = evaluate(make_bundle("a"), data, tmp_path / "one")
    names = [row["class"] for row in one["per_class"]]
    other = evaluate(make_bundle("b", training={"classes": names[1:] + names[:1]}), data, tmp_path / "other")
    assert other["per_class"] != one["per_class"]


def test_the_bundles_own_input_is_used(make_bundle: Bundles, data: Path, tmp_path: Path) -> None:
    plain = evaluate(make_bundle("a"), data, tmp_path / "plain")
    scaled = InputContract((127.5,) * 3, (255.0,) * 3, "RGB", 32, 40, "bicubic")
    own = evaluate(make_bundle("b", contract=scaled), data, tmp_path / "own")
    assert own["protocol"] == "40 px, one central crop, bilinear (its training: bicubic)"
    assert own["metrics"]["negative_log_likelihood"] != approx(plain["metrics"]["negative_log_likelihood"])
    asked = evaluate(make_bundle("c", contract=scaled), data, tmp_path / "asked", image_size=32, split="train")
    assert asked["protocol"].startswith("32 px")
    assert asked["images"] == 60


def slow_metrics(paths: list[Path], data: Path) -> dict[str, float]:
    """Image by image and class by class in float64, from the files on: the mean of the classifiers' probabilities."""
    classes = sorted(path.name for path in (data / "val").iterdir())
    right, among, loss, confidences = 0, 0, 0.0, []
    files = [(name, file) for name in classes for file in sorted((data / "val" / name).iterdir())]
    for name, file in files:
        mean = dict.fromkeys(classes, 0.0)
        for path in paths:
            bundle, model = trained_classifier(path)
            contract = bundle.input_contract
            with Image.open(file) as image:
                pixels = torch.from_numpy(np.array(validation_view(image.convert("RGB"), contract.eval_size)))
            values = (pixels.double() - torch.tensor(contract.mean).double()) / torch.tensor(contract.std).double()
            with torch.no_grad():
                logits = model.eval()(values.permute(2, 0, 1)[None].float())[0].tolist()
            powers = [math.exp(logit) for logit in logits]
            for known, power in zip(bundle.training["classes"], powers, strict=True):
                mean[known] += power / sum(powers) / len(paths)
        order = sorted(classes, key=lambda each: -mean[each])
        right += order[0] == name
        among += name in order[:5]
        loss -= math.log(mean[name])
        confidences.append(mean[order[0]])
    return {
        "top1": 100 * right / len(files),
        "top5": 100 * among / len(files),
        "mean_confidence": 100 * sum(confidences) / len(files),
        "negative_log_likelihood": loss / len(files),
    }


def test_several_are_the_mean_of_their_probabilities(make_bundle: Bundles, data: Path, tmp_path: Path) -> None:
    """Each in its own size, normalisation and order of classes; and each alone is what it is when tested alone."""
    scaled = InputContract((127.5,) * 3, (60.0,) * 3, "RGB", 32, 40, "bicubic")
    paths = [
        make_bundle("a", seed=1),
        make_bundle("b", seed=2, order=[3, 0, 5, 1, 4, 2], contract=scaled),
        make_bundle("c", seed=3),
    ]
    report = evaluate(tuple(paths), data, tmp_path / "all", batch_size=4)
    expected = slow_metrics(paths, data)
    assert {name: report["metrics"][name] for name in expected} == approx(expected, rel=1e-4)
    assert report["protocol"] == (
        "32 px, one central crop, bilinear; 40 px, one central crop, bilinear (its training: bicubic)"
    )
    members = report["model"]["members"]
    assert report["model"]["network"] == "resnet18_d + resnet18_d + resnet18_d"
    assert [member["sha256"] for member in members] == [sha256_file(path) for path in paths]
    losses = []
    for path, member in zip(paths, members, strict=True):
        alone = evaluate(path, data, tmp_path / f"alone-{path.name}", batch_size=4)
        assert member["metrics"] == approx(alone["metrics"])
        assert (member["calibration"], member["input"]) == (alone["calibration"], alone["input"])
        losses.append(alone["metrics"]["negative_log_likelihood"])
    assert sum(losses) / 3 > report["metrics"]["negative_log_likelihood"]  # Jensen's inequality
    assert sum(part["images"] for part in report["calibration"]) == 15


def test_what_cannot_be_tested_together(make_bundle: Bundles, data: Path, tmp_path: Path) -> None:
    one = make_bundle("a")
    copy = tmp_path / "copy"
    copy.write_bytes(one.read_bytes())
    with raises(UserError, match=r"--model .*/a: these weights are given more than once"):
        evaluate((one, copy), data, tmp_path / "out")
    with raises(UserError, match=r"--model .*/b does not name its classes"):
        evaluate((one, make_bundle("b", seed=1, training={"classes": None})), data, tmp_path / "out")
    with raises(UserError, match="--image-size 16: resnet18_d needs 32 pixels or more"):
        evaluate(one, data, tmp_path / "out", image_size=16)
    assert not (tmp_path / "out").exists()


def test_one_with_endless_logits_is_named(make_bundle: Bundles, data: Path, tmp_path: Path) -> None:
    """The mean of probabilities would hide a logit of minus infinity."""
    one, other = make_bundle("a"), make_bundle("b", seed=1, weights=3e38)
    with raises(UserError, match="/b: some logits are not finite"):
        evaluate((one, other), data, tmp_path / "out")


def test_several_on_the_command_line(
    make_bundle: Bundles, data: Path, tmp_path: Path, capsys: CaptureFixture[str]
) -> None:
    words = [str(make_bundle("a")), "random:mobilenet_v1_025"]
    options = ["--data", str(data), "--out", str(tmp_path / "out"), "--device", "cpu", "--workers", "0"]
    main(["--model", *words, *options, "--image-size", "32"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"15 images at 32 px, one central crop, bilinear: {tmp_path / 'out'}"
    starts = [f"{words[0]}: top-1 ", f"{words[1]}: top-1 ", "mean of their probabilities: top-1 "]
    assert [line.startswith(start) for line, start in zip(lines[1:], starts, strict=True)] == [True] * 3
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert report["model"]["members"][1]["path"] == "random:mobilenet_v1_025"
    assert f"top-1 {report['metrics']['top1']:.2f} %" in lines[3]


def test_a_bundle_without_head_is_refused(make_bundle: Bundles, data: Path, tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = make_bundle("a")
    trunk = {name: value for name, value in read_bundle(path).tensors.items() if name.startswith("trunk.")}
    with safe_open(path, framework="pt") as stream:
        header = json.loads(stream.metadata()["carryover"])
    header["checksums"] = {name: header["checksums"][name] for name in trunk}
    save_file(trunk, path, metadata={"carryover": json.dumps(header)})
    with raises(UserError, match="no classifier head"):
        evaluate(path, data, tmp_path / "out")


@mark.parametrize("written", ["run.json", "run.json backbone.safetensors"])
def test_an_unfinished_run_is_refused(make_bundle: Bundles, data: Path, tmp_path: Path, written: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    if "backbone" in written:
        make_bundle("run/backbone.safetensors")
    with raises(UserError, match="is an unfinished run; finish it with --resume"):
        evaluate(folder, data, tmp_path / "out")


def test_other_classes_are_refused_by_name(make_bundle: Bundles, data: Path, tmp_path: Path) -> None:
    classes = ["arrow", "cross", "disc", "ring", "star", "zebra"]
    with raises(UserError, match=r"knows other classes than the data set.*triangle, zebra"):
        evaluate(make_bundle("a", training={"classes": classes}), data, tmp_path / "out")
    with raises(UserError, match="does not name its classes"):
        evaluate(make_bundle("b", training={"classes": None}), data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_not_written_into(make_bundle: Bundles, data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with raises(UserError, match="is there and not empty; choose a new folder"):
        evaluate(make_bundle("a"), data, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_mistakes_are_one_line(data: Path, tmp_path: Path) -> None:
    process = run("test_cls.py", "--model", tmp_path / "nothing", "--data", data, "--out", tmp_path / "out")
    assert process.returncode == 2
    assert process.stderr.startswith(f"error: --model {tmp_path}/nothing: there is no such run folder or bundle; ")
    assert process.stderr.count("\n") == 1
