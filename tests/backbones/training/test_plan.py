"""Every open value settled, every contradiction refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest import MonkeyPatch, approx, fixture, mark, raises

from backbones.errors import UserError
from backbones.machine.distributed import ALONE, World
from backbones.recipes.recipe import find_recipe
from backbones.runs.fingerprint import code_fingerprint
from backbones.training.plan import asked, settle
from backbones.training.request import ClassificationRequest

PAIR = World(rank=1, size=2, local_rank=1)


@fixture
def request_run(make_image_folder: Callable[..., Path], tmp_path: Path) -> ClassificationRequest:
    """27 training images, batches of 12."""
    data = make_image_folder(classes=3, train=9, val=3)
    return ClassificationRequest(
        data, "resnet18_d", "d-smooth", tmp_path / "run", batch_size=12, device="cpu", precision="fp32"
    )


@fixture(autouse=True)
def no_messages(monkeypatch: MonkeyPatch) -> None:
    """A world of two in one process: each does the leader's work itself."""
    monkeypatch.setattr(World, "on_rank_zero", lambda world, work: work())
    monkeypatch.setattr(World, "on_all_ranks", lambda world, work: work())


def test_open_values_come_from_recipe_and_network(request_run: ClassificationRequest) -> None:
    plan = settle(request_run, ALONE)
    assert (plan.epochs, plan.batch_size, plan.image_size, plan.steps_per_epoch) == (120, 12, 224, 2)
    assert plan.schedule.total_steps == 240
    assert plan.schedule.warmup_steps == 10
    assert plan.schedule.peak == approx(0.1 / 256 * 12)
    assert plan.learning_rate_rule == "0.1 / 256 * 12 = 0.0046875 (linear scaling)"
    assert (plan.device.type, plan.precision, plan.parts) == ("cpu", "fp32", 1)


def test_inception_has_larger_images_and_mixup_more_epochs(request_run: ClassificationRequest) -> None:
    plan = settle(replace(request_run, network="inception_v3", recipe="mixup"), ALONE)
    assert (plan.image_size, plan.epochs) == (299, 200)


def test_given_values_win(request_run: ClassificationRequest) -> None:
    given = replace(request_run, epochs=3, batch_size=9, image_size=64, learning_rate=0.5)
    plan = settle(given, ALONE)
    assert (plan.epochs, plan.batch_size, plan.image_size, plan.steps_per_epoch) == (3, 9, 64, 3)
    assert (plan.schedule.peak, plan.learning_rate_rule) == (0.5, "0.5 (from --lr)")


def test_the_recipes_batch_wins_where_none_is_given(request_run: ClassificationRequest) -> None:
    told = "^the training set has only 27 images, .*the recipe's batch: d-smooth has 1024 images .*--batch-size 27 or"
    with raises(UserError, match=told):
        settle(replace(request_run, batch_size=None), ALONE)
    with raises(UserError, match=r"^--batch-size 28: the training set has only 27 images; take 27 or less$"):
        settle(replace(request_run, batch_size=28), ALONE)
    assert settle(replace(request_run, batch_size=27), ALONE).steps_per_epoch == 1  # what the message says to type


def test_switches_change_recipe_and_schedule(request_run: ClassificationRequest) -> None:
    plan = settle(replace(request_run, switched_on=("mixup",), switched_off=("cosine", "warmup")), ALONE)
    assert plan.recipe.name == "d-smooth -warmup -cosine +mixup"
    assert (plan.schedule.shape, plan.schedule.warmup_steps) == ("step", 0)
    assert plan.schedule.milestones == (60, 120, 180)
    assert plan.epochs == 120  # mixup switched on leaves the recipe's epochs


def test_colours_are_the_recipes_unless_given(request_run: ClassificationRequest) -> None:
    assert settle(request_run, ALONE).color == find_recipe("d-smooth").color == "paper"
    plan = settle(replace(request_run, color="gluoncv"), ALONE)
    assert plan.color == plan.settings()["color"] == "gluoncv"
    assert plan.recipe.name == "d-smooth"
    assert "color" not in plan.settings()["recipe"]  # so that older runs have the same record of their recipe


def test_accumulate_and_processes_cut_the_batch(request_run: ClassificationRequest) -> None:
    assert settle(replace(request_run, accumulate=3), ALONE).parts == 3
    assert settle(request_run, PAIR).parts == 2
    assert settle(replace(request_run, accumulate=3), PAIR).parts == 6


def test_batch_norm_sees_a_part_of_the_batch_or_with_sync_bn_that_of_all_processes(
    request_run: ClassificationRequest,
) -> None:
    assert settle(request_run, ALONE).batch_norm_images == 12
    plan = settle(replace(request_run, accumulate=3), PAIR)
    assert plan.batch_norm_images == asked(plan)["settings"]["batch_norm_images"] == 2
    assert replace(plan, request=replace(plan.request, sync_bn=True)).batch_norm_images == 4


@mark.parametrize(
    ("change", "world", "message"),
    [
        ({"accumulate": 5}, ALONE, "--batch-size 12 cannot be cut into 1 processes x 5 parts.*multiple of 5"),
        ({"batch_size": 13}, PAIR, "--batch-size 13 cannot be cut into 2 processes x 1 parts.*multiple of 2"),
        ({"accumulate": 12}, ALONE, "--batch-size 12 in 12 parts: BatchNorm needs two images or more in each"),
        ({"accumulate": 6}, PAIR, "--batch-size 12 in 12 parts: BatchNorm needs"),
        ({"sync_bn": True}, ALONE, "--sync-bn needs several GPUs"),
        ({"sync_bn": True}, PAIR, "--sync-bn needs several GPUs"),
        ({"recipe": "d-distill"}, ALONE, "d-distill distils and has no teacher: give --teacher RUN_OR_BUNDLE, or --wi"),
        ({"switched_on": ("distillation",)}, ALONE, r"d-smooth \+distillation distils and has no teacher"),
        ({"teacher": Path("x")}, ALONE, "--teacher: d-smooth does not distil; add --with distillation, or take --teac"),
        (
            {"teacher": Path("x"), "recipe": "d-distill", "switched_off": ("distillation",)},
            ALONE,
            "--teacher: d-distill -distillation does not distil",
        ),
        ({"switched_on": ("mixup",), "switched_off": ("mixup",)}, ALONE, "mixup: named more than once"),
        ({"recipe": "d-smoth"}, ALONE, "unknown recipe 'd-smoth'"),
        ({"network": "resnet19_d"}, ALONE, "unknown network 'resnet19_d'"),
        ({"recipe": "batch256-warmup", "precision": "bf16"}, ALONE, "--precision bf16: the recipe is without low prec"),
        ({"recipe": "batch256-fp16", "precision": "fp32"}, ALONE, "--precision fp32: the recipe is low-precision"),
        ({"switched_on": ("low-precision",)}, ALONE, "--precision fp32: the recipe is low-precision"),
        ({"data": Path("/nowhere/at/all")}, ALONE, "/nowhere/at/all is not a folder"),
    ],
)
def test_contradictions_are_refused(
    request_run: ClassificationRequest, change: dict[str, Any], world: World, message: str
) -> None:
    with raises(UserError, match=message):
        settle(replace(request_run, **change), world)


def test_a_missing_tracker_is_noticed_before_anything_is_made(
    request_run: ClassificationRequest, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with raises(UserError, match="--wandb"):
        settle(replace(request_run, wandb="project"), ALONE)


def test_what_is_asked_is_plain_data(request_run: ClassificationRequest) -> None:
    whole = asked(settle(replace(request_run, ema=0.99, clip=2.0, accumulate=2, image_size=32), ALONE))
    assert json.loads(json.dumps(whole))["settings"]["schedule"]["milestones"] == [60, 120, 180]
    assert (whole["task"], whole["network"], whole["recipe"], whole["seed"]) == (
        "classification",
        "resnet18_d",
        "d-smooth",
        0,
    )
    settings = whole["settings"]
    assert (settings["epochs"], settings["batch_size"], settings["parts"]) == (120, 12, 2)
    assert (settings["ema"], settings["clip"], settings["auxiliary"]) == (0.99, 2.0, False)
    assert settings["recipe"]["label_smoothing"] == 0.1
    assert not {"name", "summary"} & settings["recipe"].keys()
    assert (whole["data"]["classes"], whole["data"]["train_images"], whole["data"]["val_images"]) == (3, 27, 9)


@mark.parametrize(
    "change",
    [
        {"epochs": 3},
        {"batch_size": 6},
        {"learning_rate": 0.5},
        {"image_size": 32},
        {"color": "gluoncv"},
        {"switched_on": ("mixup",)},
        {"switched_on": ("label-smoothing=0.2",)},
        {"switched_off": ("zero-gamma",)},
        {"accumulate": 2},
        {"ema": 0.9},
        {"clip": 1.0},
        {"seed": 1},
    ],
)
def test_whatever_changes_the_outcome_makes_another_run(
    request_run: ClassificationRequest, change: dict[str, Any]
) -> None:
    assert asked(settle(replace(request_run, **change), ALONE)) != asked(settle(request_run, ALONE))


@mark.parametrize(
    "change",
    [
        {"out": Path("elsewhere")},
        {"resume": True},
        {"dry_run": True},
        {"switched_off": ("mixup",)},
        {"color": "paper"},
    ],
)
def test_whatever_does_not_makes_the_same_run(request_run: ClassificationRequest, change: dict[str, Any]) -> None:
    assert asked(settle(replace(request_run, **change), ALONE)) == asked(settle(request_run, ALONE))


def test_two_processes_are_the_run_of_two_parts(request_run: ClassificationRequest) -> None:
    """A run of several processes may be resumed in one that cuts its batches alike."""
    ours, theirs = asked(settle(replace(request_run, accumulate=2), ALONE)), asked(settle(request_run, PAIR))
    assert ours["settings"] == theirs["settings"]
    assert (ours["hardware"]["processes"], theirs["hardware"]["processes"]) == (1, 2)


def test_runs_on_the_same_images_compare(request_run: ClassificationRequest) -> None:
    """``config_hash`` is what a comparison groups by: data and image size, and no matter of training."""
    one = asked(settle(replace(request_run, image_size=32), ALONE))["config_hash"]
    assert len(one) == 12
    other = replace(request_run, image_size=32, recipe="b-standard", seed=5, epochs=2, ema=0.9)
    assert asked(settle(other, ALONE))["config_hash"] == one
    assert asked(settle(replace(request_run, image_size=64), ALONE))["config_hash"] != one


def test_a_run_records_its_code(request_run: ClassificationRequest) -> None:
    assert asked(settle(request_run, ALONE))["code"] == code_fingerprint("tools/train_cls.py")[:12]
