"""What the comparison says when more than the recipe tells its classification rows apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backbones.errors import UserError
from backbones.files import sha256_file
from studies.comparison.compare import compare_runs
from studies.report.forms.text import as_json, as_markdown, as_text

SETTINGS = {
    "epochs": 12,
    "batch_size": 256,
    "image_size": 64,
    "learning_rate": "0.1",
    "precision": "bf16",
    "recipe": {"epochs": 120},
}


@pytest.fixture
def two_rows(tmp_path: Path, add_run: Callable[..., Path]) -> Callable[..., Path]:
    """b-standard with ``SETTINGS``, and another recipe with changes to them."""

    def make(recipe: str = "d-smooth", /, **changes: Any) -> Path:
        add_run(tmp_path, "classification", "b-standard", (60, 80), settings=SETTINGS)
        add_run(tmp_path, "classification", recipe, (62, 80), settings={**SETTINGS, **changes})
        return tmp_path

    return make


def warnings(root: Path) -> list[str]:
    return [note for note in compare_runs(root).notes if note.startswith("NOT ALIKE")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 24}, "epochs 12 (b-standard), 24 (d-smooth)"),
        ({"image_size": 96}, "image_size 64 (b-standard), 96 (d-smooth)"),
        ({"precision": "fp32"}, "precision bf16 (b-standard), fp32 (d-smooth)"),
        ({"ema": 0.999}, "ema off (b-standard), 0.999 (d-smooth)"),
        ({"plugin": "3f2a"}, "plugin off (b-standard), 3f2a (d-smooth)"),
        ({"color": "gluoncv"}, "color paper (b-standard), gluoncv (d-smooth)"),  # the first from before the choice
    ],
)
def test_unlike_settings_come_first(two_rows: Callable[..., Path], changes: dict[str, Any], said: str) -> None:
    comparison = compare_runs(two_rows(**changes))
    assert comparison.notes[0].startswith("NOT ALIKE, classification: ")
    assert said in comparison.notes[0]
    assert len(warnings(comparison.root)) == 1
    assert "NOT ALIKE" in as_text(comparison)
    assert "NOT ALIKE" in as_markdown(comparison)
    document = as_json(comparison)
    (key, value), *_ = changes.items()
    assert document["rows"][1]["settings"][key] == [value]
    assert said in document["notes"][0]


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("d-smooth", {}),
        ("d-smooth", {"batch_size": 1024, "learning_rate": "0.4", "schedule": {"total_steps": 9}, "parts": 2}),
        ("d-smooth", {"ema": None, "auxiliary": False}),  # named by a newer version, and off
        ("d-smooth", {"color": "paper"}),  # named by a newer version, and what it was before
        ("d-mixup", {"epochs": 20, "recipe": {"epochs": 200}}),  # each row a tenth of its recipe
        ("batch256-warmup", {"precision": "fp32"}),  # a row of Table 4, which insists on float32
    ],
)
def test_what_the_recipe_implies_is_no_warning(
    two_rows: Callable[..., Path], recipe: str, changes: dict[str, Any]
) -> None:
    assert warnings(two_rows(recipe, **changes)) == []


def test_epochs_out_of_proportion_are(two_rows: Callable[..., Path]) -> None:
    assert "epochs" in warnings(two_rows("d-mixup", epochs=24, recipe={"epochs": 200}))[0]


def test_batch_and_learning_rate_are_told_per_row(two_rows: Callable[..., Path]) -> None:
    told = compare_runs(two_rows(batch_size=1024, learning_rate="0.4")).notes[0]
    assert told == (
        "Trained with: b-standard: epochs 12, batch size 256, learning rate 0.1; "
        "d-smooth: epochs 12, batch size 1024, learning rate 0.4."
    )


def test_seeds_of_one_row_are_compared_too(two_rows: Callable[..., Path], add_run: Callable[..., Path]) -> None:
    root = two_rows()
    add_run(root, "classification", "d-smooth", (63, 80), seed=1, settings={**SETTINGS, "image_size": 128})
    assert "image_size 64 (b-standard, d-smooth), 128 (d-smooth)" in warnings(root)[0]


def test_another_start_is_told(two_rows: Callable[..., Path]) -> None:
    path = two_rows() / "d-smooth-resnet18_d-classification-0" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "init_from": {"sha256": "a" * 64}}))
    assert f"init_from off (b-standard), {'a' * 12} (d-smooth)" in warnings(path.parents[1])[0]


def test_runs_without_settings_say_nothing(one_seed: Path) -> None:
    notes = compare_runs(one_seed).notes
    assert not any(note.startswith(("NOT ALIKE", "Trained with")) for note in notes)


@pytest.mark.parametrize("settings", [[1], {"epochs": "12"}, {"recipe": "d-smooth"}])
def test_settings_that_break_the_contract(tmp_path: Path, add_run: Callable[..., Path], settings: Any) -> None:
    path = add_run(tmp_path, "classification", "b-standard", (60, 80), settings=settings)
    with pytest.raises(UserError, match=str(path)):
        compare_runs(tmp_path)


def test_a_transfer_of_other_weights_with_the_same_top1_is_refused(
    tmp_path: Path, add_run: Callable[..., Path]
) -> None:
    bundle = add_run(tmp_path, "classification", "b-standard", (66.0, 90)) / "backbone.safetensors"
    bundle.write_bytes(b"weights")
    backbone = {"seed": 0, "top1": 66.0, "sha256": sha256_file(bundle)}
    transfer = add_run(tmp_path, "detection", "b-standard", (50, 50), backbone=backbone)
    assert warnings(tmp_path) == []
    bundle.write_bytes(b"weights of another training")
    with pytest.raises(UserError) as caught:
        compare_runs(tmp_path)
    assert all(str(part) in str(caught.value) for part in (transfer / "result.json", bundle, backbone["sha256"][:12]))


@pytest.mark.parametrize(("seed", "said"), [(5, "seed 5"), (None, "seed unknown")])
def test_the_top1_of_other_trainings_is_told(
    tmp_path: Path, add_run: Callable[..., Path], seed: int | None, said: str
) -> None:
    add_run(tmp_path, "classification", "b-standard", (66.0, 90), seed=4)
    add_run(tmp_path, "detection", "b-standard", (50, 50), backbone={"sha256": "a" * 64, "seed": seed})
    assert f"b-standard (transferred: {said}; top-1: seed 4)" in warnings(tmp_path)[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"parts": 4, "batch_norm_images": 64},  # processes or --accumulate
        {"parts": 4},  # of a version that did not record it
        {"parts": 8, "sync_bn": 1, "batch_norm_images": 256},
        {"batch_size": 1024, "parts": 4, "batch_norm_images": 256},
    ],
)
def test_batch_norm_over_other_numbers_of_images_is_not_alike(
    tmp_path: Path, add_run: Callable[..., Path], changes: dict[str, Any]
) -> None:
    cut = {**SETTINGS, "sync_bn": changes.get("sync_bn")}
    add_run(tmp_path, "classification", "b-standard", (60, 80), settings={**cut, "parts": 8, "batch_norm_images": 32})
    add_run(tmp_path, "classification", "d-smooth", (62, 80), settings={**cut, **changes})
    (said,) = warnings(tmp_path)
    images = changes.get("batch_norm_images", 64)
    assert said.startswith("NOT ALIKE, BatchNorm: statistics estimated at once, ")
    assert f"classification over 32 images (b-standard), {images} images (d-smooth)" in said


def test_batches_of_the_recipes_in_as_many_parts_are_alike(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    """On 8 GPUs, batch 256 has 32 images to a BatchNorm, and batch 1024 has 128, as in the paper."""
    for recipe, total in (("b-standard", 256), ("d-efficient", 1024)):
        settings = {**SETTINGS, "batch_size": total, "parts": 8, "batch_norm_images": total // 8}
        add_run(tmp_path, "classification", recipe, (60, 80), settings=settings)
    assert warnings(tmp_path) == []


def test_equal_numbers_of_images_are_alike(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe, total, parts in (("b-standard", 256, 8), ("d-efficient", 1024, 32)):
        settings = {**SETTINGS, "batch_size": total, "parts": parts, "batch_norm_images": 32}
        add_run(tmp_path, "classification", recipe, (60, 80), settings=settings)
    assert warnings(tmp_path) == []


def test_transfers_of_one_total_batch_differ_in_what_batch_norm_sees(
    tmp_path: Path, add_run: Callable[..., Path]
) -> None:
    for recipe, seed, images in (("b-standard", 0, 16), ("b-standard", 1, 2), ("d-smooth", 0, 16)):
        training = {"total_batch": 16, "batch_norm_images": images}
        add_run(tmp_path, "segmentation", recipe, (50, 50), seed=seed, training=training)
    (said,) = warnings(tmp_path)
    assert "segmentation over 16 images (b-standard, d-smooth), 2 images (b-standard)" in said


@pytest.mark.parametrize("training", [{"total_batch": 16, "batch_norm_images": None}, {}])
def test_kept_statistics_and_older_transfers_say_nothing(
    tmp_path: Path, add_run: Callable[..., Path], training: dict[str, Any]
) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 50), training={"total_batch": 16, "batch_norm_images": None})
    add_run(tmp_path, "detection", "d-smooth", (50, 50), training=training)
    assert warnings(tmp_path) == []


@pytest.mark.parametrize("training", [{"batch_norm_images": 0, "total_batch": 16}, {"batch_norm_images": 2}, [1]])
def test_a_training_that_breaks_the_contract(tmp_path: Path, add_run: Callable[..., Path], training: Any) -> None:
    path = add_run(tmp_path, "detection", "b-standard", (50, 50), training=training)
    with pytest.raises(UserError, match=str(path)):
        compare_runs(tmp_path)


@pytest.mark.parametrize(
    ("teachers", "said"),
    [(("a" * 64, "a" * 64), True), (("a" * 64, "b" * 64), False), ((None, None), False), (("a" * 64,), False)],
    ids=["one", "one each", "none", "one seed"],
)
def test_one_teacher_for_all_seeds_is_named(
    tmp_path: Path, add_run: Callable[..., Path], teachers: tuple[str | None, ...], said: bool
) -> None:
    for seed, teacher in enumerate(teachers):
        taught = {"teacher": {"network": "resnet34_d", "sha256": teacher}} if teacher else {}
        add_run(tmp_path, "classification", "b-standard", (60, 80), seed=seed)
        add_run(tmp_path, "classification", "d-distill", (62, 80), seed=seed, **taught)
    notes = [note for note in compare_runs(tmp_path).notes if note.startswith("One teacher for all seeds: ")]
    assert len(notes) == said
    for note in notes:
        assert note.startswith("One teacher for all seeds: d-distill (aaaaaaaaaaaa). ")
