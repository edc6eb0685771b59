"""What the method cards take from an ablation: the effect of having a trick, with its sign, setting and command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest import fixture, mark, raises

from backbones.errors import UserError
from backbones.files import read_json, write_json
from studies.ablation.measured_effects import measured


def row(label: str, mean: float, difference: dict[str, Any] | None, reference: str | None) -> dict[str, Any]:
    values = {} if label == "+ distillation" else {"4": mean, "3": mean}
    common = {"label": label, "mean": mean, "difference": difference, "reference": reference}
    return {**common, "recipe": f"d-smooth {label}", "values": values}


def write_run(folder: Path, images: int = 300) -> None:
    data = {"root": "data/some", "train_images": images, "classes": 5}
    settings = {"epochs": 4, "image_size": 32}
    write_json(folder / "result.json", {"data": data, "settings": settings, "hardware": {"name": "CPU", "threads": 1}})


@fixture
def study(tmp_path: Path) -> Path:
    """A study with a row of each kind, and a run of another study in the same folder, first by name."""
    rows = [
        row("all", 30.0, None, None),
        row("without cosine", 28.5, {"value": -1.5, "pairs": 3, "interval": [-2.5, -0.5]}, "all"),
        row("+ mixup=0.4", 29.0, {"value": -1.0, "pairs": 1, "interval": None}, "all"),
        row("+ distillation", 0.0, None, "all"),
    ]
    write_json(tmp_path / "ablation.json", {"command": "python tools/ablate.py X", "network": "n", "rows": rows})
    for one in rows:
        if one["values"]:
            write_run(tmp_path / f"{one['recipe'].replace(' ', '_')}-seed3")
    write_run(tmp_path / "a-seed0", images=7)
    return tmp_path


def test_leaving_out_counts_with_the_opposite_sign(study: Path) -> None:
    entry = measured([study])["cosine"]
    assert "top-1 28.50 -> 30.00, +1.50 ± 1.00 points (95 % interval, 3 paired seeds)" in entry["text"]
    assert "300 images of 5 classes in some, 4 epochs at 32 px" in entry["text"]
    assert entry["command"] == "python tools/ablate.py X"
    assert entry["hardware"].startswith("CPU, 1 thread")


def test_adding_keeps_its_sign_and_one_seed_has_no_interval(study: Path) -> None:
    text = measured([study])["mixup"]["text"]
    assert "top-1 30.00 -> 29.00, -1.00 points" in text
    assert "±" not in text


def test_a_row_that_is_not_measured_has_no_entry(study: Path) -> None:
    assert set(measured([study])) == {"cosine", "mixup"}


def test_a_value_that_is_not_the_papers_is_named(study: Path) -> None:
    assert measured([study])["mixup"]["text"].startswith("mixup=0.4: top-1 ")


@mark.parametrize(("images", "small"), [(300, True), (999_999, True), (1_281_167, False)])
def test_a_small_data_set_is_called_one(study: Path, images: int, small: bool) -> None:
    write_run(study / "d-smooth_without_cosine-seed3", images)
    text = measured([study])["cosine"]["text"]
    assert text.endswith("at 32 px: a small data set, which says nothing about ImageNet" if small else "at 32 px")


@mark.parametrize("missing", ["ablation.json", "d-smooth_without_cosine-seed3/result.json"])
def test_a_study_whose_files_are_gone_is_refused(study: Path, missing: str) -> None:
    (study / missing).unlink()
    with raises(UserError, match=f"{missing} does not exist"):
        measured([study])


def test_an_unfinished_study_is_refused(study: Path) -> None:
    table = read_json(study / "ablation.json")
    table["rows"] = [{**one, "values": {}, "difference": None} for one in table["rows"]]
    write_json(study / "ablation.json", table)
    with raises(UserError, match=r"holds no finished run of its ablation; continue it: python tools/ablate.py X"):
        measured([study])


@mark.parametrize("key", ["command", "network", "rows"])
def test_a_damaged_table_is_named(study: Path, key: str) -> None:
    table = read_json(study / "ablation.json")
    del table[key]
    write_json(study / "ablation.json", table)
    with raises(UserError, match=f"{study} holds no whole ablation .*{key}"):
        measured([study])


def test_a_damaged_run_is_named(study: Path) -> None:
    write_json(study / "d-smooth_without_cosine-seed3" / "result.json", {"data": {}})
    with raises(UserError, match="holds no whole ablation"):
        measured([study])
