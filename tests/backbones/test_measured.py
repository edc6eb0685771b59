"""What the method cards take from an ablation: the effect of having a trick, with its sign, setting and command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest import fixture, mark, raises

from backbones.errors import UserError
from backbones.files import write_json
from backbones.measured import measured


def row(label: str, mean: float, difference: dict[str, Any] | None, reference: str | None) -> dict[str, Any]:
    return {"label": label, "mean": mean, "difference": difference, "reference": reference}


@fixture
def study(tmp_path: Path) -> Path:
    """A study with a row of each kind."""
    rows = [
        row("all", 30.0, None, None),
        row("without cosine", 28.5, {"value": -1.5, "pairs": 3, "interval": [-2.5, -0.5]}, "all"),
        row("+ mixup", 29.0, {"value": -1.0, "pairs": 1, "interval": None}, "all"),
        row("+ distillation", 0.0, None, "all"),
    ]
    write_json(tmp_path / "ablation.json", {"command": "python tools/ablate.py X", "network": "n", "rows": rows})
    data = {"root": "data/some", "train_images": 300, "classes": 5}
    run = {"data": data, "settings": {"epochs": 4, "image_size": 32}, "hardware": {"name": "CPU", "threads": 1}}
    write_json(tmp_path / "all-seed0" / "result.json", run)
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


@mark.parametrize("missing", ["ablation.json", "all-seed0/result.json"])
def test_an_unfinished_study_is_refused(study: Path, missing: str) -> None:
    (study / missing).unlink()
    with raises(UserError, match="ablation"):
        measured([study])
