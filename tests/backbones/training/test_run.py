"""A run from the request to its files: where weights come from, what is written, what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytest import CaptureFixture, MonkeyPatch, fixture, importorskip, mark, raises
from safetensors.torch import load_file

import backbones.training.loop
import backbones.training.teacher
from backbones.bundles.bundle import read_bundle
from backbones.errors import MachineError, UserError
from backbones.files import sha256_file
from backbones.models import Classifier
from backbones.runs.run_folder import RunFolder
from backbones.training.loop import TrainingJob
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification
from backbones.training.teacher import Teacher
from backbones.tricks import TRICKS

pytestmark = mark.usefixtures("one_thread")
JobMaker = Callable[[ClassificationRequest], TrainingJob]
BundleMaker = Callable[..., tuple[Path, Classifier]]


@fixture
def light(request_run: ClassificationRequest) -> ClassificationRequest:
    """One epoch of a small network."""
    return replace(request_run, network="mobilenet_v1_025", recipe="smooth", epochs=1)


def metrics(run: ClassificationRequest) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.out / "metrics.jsonl").read_text().splitlines()]


def test_files_of_a_finished_run(request_run: ClassificationRequest, capsys: CaptureFixture[str]) -> None:
    result = run_classification(request_run)
    shown = capsys.readouterr().out
    assert "0.1 / 256 * 6 = 0.00234375 (linear scaling)" in shown
    assert shown.count("epoch ") == 2
    record = json.loads((request_run.out / "run.json").read_text())
    assert record["settings"]["schedule"]["total_steps"] == 8
    assert record["settings"]["precision"] == "fp32"
    assert (result["task"], result["network"], result["recipe"]) == ("classification", "resnet18_d", "d-smooth")
    assert result["timings"]["train_seconds"] > 0
    assert result == json.loads((request_run.out / "result.json").read_text())
    bundle = read_bundle(request_run.out / "backbone.safetensors")
    assert bundle.training["top1"] == result["metrics"]["top1"]
    assert bundle.training["fingerprint"] == record["data"]["fingerprint"]
    assert bundle.training["classes"] == ["class0", "class1", "class2"]
    assert bundle.input_contract.train_size == 32
    rates = [entry["learning_rate"] for entry in metrics(request_run) if entry["kind"] == "epoch"]
    assert len(rates) == 2
    assert rates == sorted(rates, reverse=True)
    assert {path.name for path in request_run.out.iterdir()} == {
        ".lock",
        "run.json",
        "metrics.jsonl",
        "best.safetensors",
        "backbone.safetensors",
        "result.json",
    }


def test_a_checkpoint_goes_once_the_result_is_there_and_no_earlier(
    light: ClassificationRequest, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    checkpoint = light.out / "last.pt"
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with raises(KeyboardInterrupt):
            run_classification(light)
    assert checkpoint.is_file()
    result = run_classification(replace(light, resume=True))
    assert not checkpoint.exists()
    assert "removed last.pt (" in capsys.readouterr().out
    assert run_classification(replace(light, resume=True)) == result
    assert "is finished; there is nothing to resume" in capsys.readouterr().out
    whole = replace(light, out=light.out.parent / "whole", keep="all")
    run_classification(whole)
    assert (whole.out / "last.pt").is_file()


def test_images_in_both_splits_are_refused_and_when_allowed_recorded(
    light: ClassificationRequest, tmp_path: Path
) -> None:
    light = replace(light, data=shutil.copytree(light.data, tmp_path / "copy"))
    images = sorted(path for split in ("train", "val") for path in (light.data / split).rglob("*.png"))
    images[-1].write_bytes(images[0].read_bytes())
    with raises(UserError, match=r"of val is an image of train, too: .*--allow-shared-images"):
        run_classification(light)
    assert not light.out.exists()
    result = run_classification(replace(light, allow_shared_images=True))
    assert result["data"]["shared_images"] == 1
    assert run_classification(replace(light, resume=True)) == result


def test_a_finished_run_is_left_alone(light: ClassificationRequest, capsys: CaptureFixture[str]) -> None:
    result = run_classification(light)
    before = (light.out / "backbone.safetensors").stat().st_mtime_ns
    assert run_classification(replace(light, resume=True)) == result
    assert "is finished" in capsys.readouterr().out
    assert (light.out / "backbone.safetensors").stat().st_mtime_ns == before


@mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 28}, "--batch-size 28: the training set has only 27 images"),
        ({"batch_size": 1}, "--batch-size 1 in 1 parts: BatchNorm needs two images"),
        ({"image_size": 16}, "--image-size 16: resnet18_d needs 32 pixels or more"),
        ({"network": "inception_v3", "recipe": "smooth", "image_size": 74}, "inception_v3 needs 75 pixels or more"),
        (
            {"network": "inception_v3", "recipe": "smooth", "image_size": 298, "auxiliary": True},
            "--image-size 298: inception_v3 with --auxiliary needs 299 pixels or more",
        ),
        ({"auxiliary": True}, "resnet18_d has no auxiliary head"),
        ({"network": "resnet19_d"}, "unknown network 'resnet19_d'.*resnet18_d"),
        ({"recipe": "d-smoth"}, "unknown recipe 'd-smoth'.*d-smooth"),
        (
            {"network": "mobilenet_v1"},
            "zero gamma needs residual blocks and MobileNetV1 has none; add --without zero-gamma",
        ),
        ({"precision": "fp16"}, "fp16 needs a CUDA device"),
        ({"device": "tpu"}, "--device tpu"),
        ({"recipe": "d-distill"}, "d-distill distils and has no teacher"),
        ({"recipe": "d-distill", "teacher": Path("nobody")}, "--teacher nobody: there is no such run folder or bundle"),
        ({"init_from": Path("nobody")}, "--init-from nobody: there is no such run folder or bundle"),
        ({"switched_on": ("mixup=-1",)}, "--with mixup=-1: the value must be above 0"),
    ],
)
def test_impossible_requests_leave_nothing_behind(
    request_run: ClassificationRequest, change: dict[str, Any], message: str
) -> None:
    with raises(UserError, match=message):
        run_classification(replace(request_run, **change))
    assert not request_run.out.exists()


def test_a_tracker_that_is_not_installed_leaves_nothing_behind(
    light: ClassificationRequest, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with raises(UserError, match=r"--wandb.*pip install wandb"):
        run_classification(replace(light, wandb="project"))
    assert not light.out.exists()


def test_an_image_that_cannot_be_read_leaves_nothing_behind(
    light: ClassificationRequest, make_image_folder: Callable[..., Path]
) -> None:
    data = make_image_folder(classes=3, train=3, val=1)
    culprit = data / "val/class1/0.png"
    culprit.write_bytes(culprit.read_bytes()[:50])
    with raises(UserError, match=r"val/class1/0\.png"):
        run_classification(replace(light, data=data))
    assert not light.out.exists()


def test_the_choice_of_convolutions_ends_with_the_run(light: ClassificationRequest, monkeypatch: MonkeyPatch) -> None:
    seen = []
    original = backbones.training.loop.training_step

    def step(*arguments: Any) -> torch.Tensor:
        seen.append(torch.backends.cudnn.benchmark)
        return original(*arguments)

    monkeypatch.setattr(backbones.training.loop, "training_step", step)
    run_classification(light)
    assert set(seen) == {True}
    assert torch.backends.cudnn.benchmark is False


def test_another_run_in_the_folder_is_named_by_what_differs(light: ClassificationRequest) -> None:
    run_classification(light)
    with raises(UserError, match=r"another run \(.*settings\.epochs: 1 there, 2 asked"):
        run_classification(replace(light, epochs=2, resume=True))
    with raises(UserError, match=r"recipe: 'smooth' there, 'smooth \+mixup' asked"):
        run_classification(replace(light, switched_on=("mixup",), resume=True))
    with raises(UserError, match=r"holds a finished run, .*result\.json; choose another --out"):
        run_classification(light)


def test_a_switched_recipe_goes_by_its_name(light: ClassificationRequest, capsys: CaptureFixture[str]) -> None:
    result = run_classification(replace(light, switched_on=("mixup=0.4",), switched_off=("cosine",)))
    assert result["recipe"] == "smooth -cosine +mixup=0.4"
    assert result["settings"]["recipe"]["mixup"] == 0.4
    assert read_bundle(light.out / "backbone.safetensors").training["recipe"] == result["recipe"]
    assert "recipe    smooth -cosine +mixup=0.4: " in capsys.readouterr().out


def test_the_averaged_weights_are_the_result(light: ClassificationRequest, tmp_path: Path) -> None:
    run_classification(replace(light, ema=0.5, keep="all"))
    state = torch.load(light.out / "last.pt", weights_only=True)
    written = load_file(light.out / "backbone.safetensors")
    for name, value in written.items():
        assert torch.equal(value, state["average"][name]), name
    assert not torch.equal(written["head.weight"], state["model"]["head.weight"])
    plain = replace(light, out=tmp_path / "plain")
    run_classification(plain)
    assert torch.equal(load_file(plain.out / "backbone.safetensors")["head.weight"], state["model"]["head.weight"])


CONTRACT = {"mean": (1.0, 2.0, 3.0), "std": (50.0, 60.0, 70.0), "channel_order": "BGR"}


def test_fine_tuning_starts_from_trunk_and_head(
    light: ClassificationRequest, make_bundle_file: BundleMaker, job_of: JobMaker
) -> None:
    path, original = make_bundle_file(**CONTRACT)
    job = job_of(replace(light, init_from=path))
    for name, value in job.model.state_dict().items():
        assert torch.equal(value, original.state_dict()[name]), name
    contract = job.objective.contract
    assert (contract.mean, contract.std, contract.channel_order) == tuple(CONTRACT.values())
    assert (contract.train_size, contract.eval_size) == (32, 32)


def test_with_other_classes_the_head_is_the_one_of_an_untrained_network(
    light: ClassificationRequest, make_bundle_file: BundleMaker, job_of: JobMaker
) -> None:
    path, original = make_bundle_file(classes=("cat", "dog", "eel", "fox"))
    job, fresh = job_of(replace(light, init_from=path)), job_of(light)
    for name, value in job.model.trunk.state_dict().items():
        assert torch.equal(value, original.trunk.state_dict()[name]), name
    assert torch.equal(job.model.head.weight, fresh.model.head.weight)
    assert not torch.equal(job.model.trunk.stem[0].conv.weight, fresh.model.trunk.stem[0].conv.weight)


def test_fine_tuning_takes_the_normalisation_along(
    light: ClassificationRequest, make_bundle_file: BundleMaker, tmp_path: Path, capsys: CaptureFixture[str]
) -> None:
    path, _ = make_bundle_file(**CONTRACT)
    result = run_classification(replace(light, init_from=path))
    assert f"trunk and head from {path}" in capsys.readouterr().out
    assert result["init_from"] == {"sha256": sha256_file(path), "path": str(path)}
    contract = read_bundle(light.out / "backbone.safetensors").input_contract
    assert (contract.mean, contract.std, contract.channel_order) == tuple(CONTRACT.values())
    again = replace(light, init_from=light.out, out=tmp_path / "again")  # a run folder will do as well
    assert run_classification(again)["init_from"]["sha256"] == sha256_file(light.out / "backbone.safetensors")


def test_fine_tuning_another_network_is_refused(light: ClassificationRequest, make_bundle_file: BundleMaker) -> None:
    path, _ = make_bundle_file(network="mobilenet_v1_050")
    with raises(UserError, match="is a mobilenet_v1_050; give --network mobilenet_v1_050"):
        run_classification(replace(light, init_from=path))
    assert not light.out.exists()


def test_a_teacher_does_not_learn(
    light: ClassificationRequest, make_bundle_file: BundleMaker, monkeypatch: MonkeyPatch
) -> None:
    path, original = make_bundle_file(classes=("class1", "class2", "class0"), **CONTRACT)
    teachers: list[Teacher] = []
    modes: list[bool] = []
    load, step = backbones.training.teacher.load_teacher, backbones.training.loop.training_step

    def note_teacher(*arguments: Any) -> Teacher:
        teachers.append(load(*arguments))
        return teachers[0]

    def note_mode(job: TrainingJob, *arguments: Any) -> torch.Tensor:
        assert job.model.training
        loss = step(job, *arguments)
        modes.extend(module.training for module in job.objective.teacher.model.modules())
        return loss

    monkeypatch.setattr(backbones.training.teacher, "load_teacher", note_teacher)
    monkeypatch.setattr(backbones.training.loop, "training_step", note_mode)
    result = run_classification(replace(light, recipe="distill", teacher=path, epochs=2))
    (teacher,) = teachers
    assert modes
    assert not any(modes)
    assert all(parameter.grad is None for parameter in teacher.model.parameters())
    for name, value in teacher.model.state_dict().items():
        assert torch.equal(value, original.state_dict()[name]), name
    assert result["teacher"] == {"network": "mobilenet_v1_025", "sha256": sha256_file(path), "path": str(path)}


def test_another_teacher_is_another_run(
    light: ClassificationRequest, make_bundle_file: BundleMaker, tmp_path: Path
) -> None:
    one, _ = make_bundle_file()
    other, _ = make_bundle_file("other.safetensors", seed=8)
    wanted = replace(light, recipe="distill", teacher=one)
    run_classification(wanted)
    with raises(UserError, match=r"teacher\.sha256"):
        run_classification(replace(wanted, teacher=other, resume=True))
    one.rename(tmp_path / "moved.safetensors")
    run_classification(replace(wanted, teacher=tmp_path / "moved.safetensors", resume=True))


def test_several_teachers_are_in_the_record_each(
    light: ClassificationRequest, make_bundle_file: BundleMaker, tmp_path: Path
) -> None:
    paths = [make_bundle_file(f"{seed}.safetensors", seed=seed)[0] for seed in (7, 8, 9)]
    wanted = replace(light, recipe="distill", teacher=tuple(paths[:2]))
    result = run_classification(wanted)
    sums = [sha256_file(path) for path in paths]
    assert result["teacher"] == {
        "network": "mobilenet_v1_025 + mobilenet_v1_025",
        "sha256": hashlib.sha256(" ".join(sums[:2]).encode()).hexdigest(),
        "path": f"{paths[0]} {paths[1]}",
        "members": [{"network": "mobilenet_v1_025", "sha256": each} for each in sums[:2]],
    }
    with raises(UserError, match=r"teacher\.(sha256|members)"):
        run_classification(replace(wanted, teacher=(paths[0], paths[2]), resume=True))
    paths[0].rename(tmp_path / "moved.safetensors")
    run_classification(replace(wanted, teacher=(tmp_path / "moved.safetensors", paths[1]), resume=True))


def test_a_trick_that_learns_from_one_takes_one(
    light: ClassificationRequest, make_bundle_file: BundleMaker, monkeypatch: MonkeyPatch
) -> None:
    paths = tuple(make_bundle_file(f"{seed}.safetensors", seed=seed)[0] for seed in (7, 8))
    monkeypatch.setitem(TRICKS, "distillation", TRICKS["distillation"]._replace(several_teachers=False))
    with raises(UserError, match="distill learns from one teacher, and 2 are given; give one"):
        run_classification(replace(light, recipe="distill", teacher=paths))
    assert not light.out.exists()


def test_tensorboard_gets_the_record_of_the_run(light: ClassificationRequest) -> None:
    reader = importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    run_classification(replace(light, tensorboard=True))
    accumulator = reader.EventAccumulator(str(light.out / "tensorboard"))
    accumulator.Reload()
    (record,) = metrics(light)
    (event,) = accumulator.Scalars("epoch/loss")
    assert (event.step, round(event.value, 4)) == (4, round(record["loss"], 4))


@mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("shapes do not fit"), False),
    ],
    ids=["cpu", "python", "gpu", "defect"],
)
def test_a_lack_of_memory_says_what_to_ask_less_of(
    light: ClassificationRequest, monkeypatch: MonkeyPatch, error: Exception, told: bool
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(backbones.training.run, "train", fail)
    with raises(MachineError if told else RuntimeError) as caught:
        run_classification(light)
    assert (caught.value is error) != told
    if told:
        assert str(caught.value).startswith(
            "cpu has not enough memory for 6 images of 32 px; give a smaller --batch-size"
        )
    monkeypatch.undo()
    assert run_classification(replace(light, resume=True))["metrics"]["top1"] >= 0  # nothing was lost
