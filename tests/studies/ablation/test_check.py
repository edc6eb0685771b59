"""Only runs that are alike count in an ablation: by what is recorded of them, not by how they were asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest import MonkeyPatch, fixture, mark, raises

from backbones.data.folders.image_folder import open_image_folder
from backbones.errors import UserError
from backbones.machine.distributed import ALONE
from backbones.models import Classifier
from backbones.training.plan import asked, settle
from backbones.training.request import ClassificationRequest
from studies.ablation.check import check_comparable
from studies.ablation.rows import Ablation, cumulative_rows
from tools.ablate import read_training

BATCH = ("--batch-size", "6", "--image-size", "32", "--device", "cpu")
Change = Callable[[dict[str, Any]], None]


@fixture
def study(tmp_path: Path, make_image_folder: Callable[..., Path]) -> Ablation:
    """Two rows with two seeds, of which none was run."""
    rows = cumulative_rows("b-standard", ["cosine"])
    where = {"network": "resnet18_d", "data": make_image_folder(), "out": tmp_path / "out"}
    return Ablation(rows, seeds=(0, 1), options=(*BATCH, "--epochs", "5"), **where)


def pretend(study: Ablation, row: int = 0, seed: int = 0, change: Change | None = None, **request: Any) -> Path:
    """Write the ``run.json`` of a run of the study as the trainer would, then changed."""
    key = study.rows[row], seed
    plan = settle(replace(read_training(study.command(*key)[1:]), **request), ALONE)
    record = asked(plan)
    if change:
        change(record)
    folder = study.folder(*key)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def setting(**values: Any) -> Change:
    return lambda record: record["settings"].update(values)


def machine(**values: Any) -> Change:
    return lambda record: record["hardware"].update(values)


def two_processes(record: dict[str, Any]) -> None:
    record["settings"]["parts"] = record["hardware"]["processes"] = 2


def everywhere(study: Ablation, change: Change) -> None:
    """All runs are there, and all are changed alike."""
    for row in range(2):
        for seed in (0, 1):
            pretend(study, row, seed, change)


def check(study: Ablation) -> None:
    check_comparable(study, read_training)


def test_nothing_was_run_yet(study: Ablation) -> None:
    check(study)


def test_runs_with_the_same_settings_count(study: Ablation) -> None:
    pretend(study, 0, 0)
    pretend(study, 1, 1, workers=4, tensorboard=True)
    check(study)
    check(replace(study, options=("--epochs", "5", "--workers", "3", *BATCH)))


def test_values_that_are_the_recipes_need_not_be_given(study: Ablation) -> None:
    plain = replace(study, options=BATCH)
    pretend(plain)
    check(replace(study, options=(*BATCH, "--epochs", "120")))


def test_runs_from_before_there_were_colours_had_the_papers(study: Ablation) -> None:
    folder = pretend(study, change=lambda record: record["settings"].pop("color"))
    check(study)
    with raises(UserError, match=f"{folder} was run with settings.color 'paper', and is asked for with 'gluoncv'"):
        check(replace(study, options=(*study.options, "--color", "gluoncv")))


@mark.parametrize(
    ("options", "message"),
    [
        (("--epochs", "6"), "settings.epochs 5, and is asked for with 6"),
        (("--epochs", "5", "--ema", "0.9"), "settings.ema None, and is asked for with 0.9"),
        (("--epochs", "5", "--color", "gluoncv"), "settings.color 'paper', and is asked for with 'gluoncv'"),
        (("--epochs", "5", "--lr", "0.5"), "settings.schedule.peak 0.1, and is asked for with 0.5"),
        (("--epochs", "5", "--accumulate", "3"), "accumulate 1, and is asked for with 3"),
        (("--epochs", "5", "--precision", "bf16"), "settings.precision 'fp32', and is asked for with 'bf16'"),
    ],
)
def test_runs_with_other_settings_do_not_count(study: Ablation, options: tuple[str, ...], message: str) -> None:
    folder = pretend(study, precision="fp32")
    with raises(UserError, match=f"{folder} was run with {message}"):
        check(replace(study, options=(*BATCH, *options)))


@mark.parametrize(
    ("change", "message"),
    [
        (setting(precision="bf16"), "has precision fp32 and {other} has precision bf16"),
        (two_processes, "has parts 1 and {other} has parts 2"),
        (machine(device="cuda:0"), "has device cpu and {other} has device cuda"),
    ],
)
def test_runs_of_different_machines_do_not_count(study: Ablation, change: Change, message: str) -> None:
    study = replace(study, seeds=(0,))
    one = pretend(study, 0, 0, setting(precision="fp32"))
    other = pretend(study, 1, 0, change, precision="fp32")
    with raises(UserError) as caught:
        check(study)
    assert str(caught.value).startswith(f"{one} {message.format(other=other)}: their difference would not be that of")


def test_a_run_that_this_machine_would_train_in_another_way_is_refused_before(
    study: Ablation, monkeypatch: MonkeyPatch
) -> None:
    """Another machine has trained some rows in bf16; here "auto" is fp32, and the command is the same."""
    monkeypatch.setattr("backbones.machine.precision._fast_precisions", lambda device: ("fp32",))
    there = pretend(study, 0, 0, setting(precision="bf16"))
    with raises(UserError, match=f"{there} has precision bf16 and .*, which is about to be trained, has prec"):
        check(study)


def test_a_study_that_is_finished_may_come_from_another_machine(study: Ablation, monkeypatch: MonkeyPatch) -> None:
    everywhere(study, lambda record: (machine(device="cuda")(record), setting(precision="bf16")(record)))
    monkeypatch.setattr("backbones.machine.precision._fast_precisions", lambda device: ("fp32",))
    check(study)


def test_rows_that_are_about_the_precision_may_differ_in_it(study: Ablation, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr("backbones.machine.precision._fast_precisions", lambda device: ("bf16", "fp32"))
    study = replace(study, rows=cumulative_rows("b-standard", ["low-precision"]), seeds=(0,))
    pretend(study, 0, 0)
    pretend(study, 1, 0)
    check(study)


@mark.parametrize("option", ["--init-from", "--teacher"])
def test_weights_from_elsewhere_are_compared_by_content(
    study: Ablation, make_bundle_file: Callable[..., tuple[Path, Classifier]], option: str
) -> None:
    """The same command names another file than it did."""
    path, _ = make_bundle_file()
    if option == "--teacher":
        study = replace(study, rows=cumulative_rows("b-standard", ["distillation"]), teacher=path)
        row, key = 1, "teacher"
    else:
        study = replace(study, options=(*study.options, option, str(path)))
        row, key = 0, "init_from"
    pretend(study, row, 0, lambda record: record.update({key: {"sha256": "before", "path": str(path)}}))
    with raises(UserError, match=rf"was run with {key}\.sha256 'before', and is asked for with '[0-9a-f]{{64}}'"):
        check(study)


def test_a_run_without_the_weights_that_are_asked_for_does_not_count(study: Ablation) -> None:
    pretend(study, 0, 0, lambda record: record.update(init_from={"sha256": "before"}))
    with raises(UserError, match=r"was run with init_from\.sha256 'before', and is asked for with None"):
        check(study)


def test_runs_on_other_images_do_not_count(study: Ablation) -> None:
    pretend(study)
    fingerprint = open_image_folder(study.data).fingerprint
    (study.data / "train" / "class0" / "0.png").unlink()
    with raises(UserError, match=rf"was run with data\.fingerprint '{fingerprint}', and is asked for with"):
        check(study)


@mark.parametrize(
    ("change", "message"),
    [
        (
            lambda record: record.update(recipe="d-smooth"),
            "was run with recipe 'd-smooth', and is asked for with 'b-st",
        ),
        (lambda record: record.update(network="resnet34_d"), "network 'resnet34_d'"),
        (lambda record: record.update(seed=7), "seed 7, and is asked for with 0"),
        (lambda record: record["hardware"].pop("device"), r"run\.json does not say its hardware\.device"),
    ],
)
def test_foreign_runs_do_not_count(study: Ablation, change: Change, message: str) -> None:
    pretend(study, change=change)
    with raises(UserError, match=message):
        check(study)


def test_a_record_that_is_none_is_named(study: Ablation) -> None:
    (pretend(study) / "run.json").write_text("[]")
    with raises(UserError, match=r"run\.json is damaged"):
        check(study)


def test_a_request_is_what_the_trainer_makes_of_the_command(study: Ablation) -> None:
    row = study.rows[1]
    assert read_training(study.command(row, 1)[1:]) == ClassificationRequest(
        *(study.data, "resnet18_d", "b-standard", study.folder(row, 1)),
        switched_on=("cosine",),
        epochs=5,
        batch_size=6,
        image_size=32,
        seed=1,
        workers=read_training([]).workers,
        device="cpu",
        resume=True,
    )
