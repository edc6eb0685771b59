"""Records of runs: every field that a reader uses is of its type, or is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest import fixture, mark, raises

from backbones.errors import UserError
from backbones.runs.record import ANY, FIELDS, read_record

RECORD: dict[str, Any] = {
    **{"format": 1, "task": "segmentation", "seed": 0, "data": {"root": "/here", "train_images": 8}},
    **{"versions": {"torch": "2"}, "sittings": [{"command": "a", "hardware": {"name": "x"}}, {"started": "b"}]},
    **{"timings": {"total_seconds": 1, "kwh": 0.5, "kwh_of": {"cpu": 0.5, "gpu": None}}, "tuned": None},
    **{"per_class": {"sky": {"iou": 50.0, "accuracy": 1}}, "hardware": {"processes": 2, "tf32": False}},
    **{"proof": {"features": {"equal": True, "stages": []}, "after_training": {"stages": [{"moved": 1}]}}},
    "of another tool": {"seed": "x"},
}


@fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "result.json"


def read_changed(path: Path, keys: str, value: Any) -> dict[str, Any]:
    """After a field is another; what is above it is there, too."""
    content = json.loads(json.dumps(RECORD))
    inside, (*above, last) = content, keys.split(".")
    for key in above:
        key = int(key) if isinstance(inside, list) else key
        if isinstance(inside, dict) and inside.get(key) is None:
            inside[key] = {}
        inside = inside[key]
    inside[int(last) if isinstance(inside, list) else last] = value
    path.write_text(json.dumps(content))
    return read_record(path)


def test_a_record_is_read_as_it_is(path: Path) -> None:
    path.write_text(json.dumps(RECORD))
    assert read_record(path) == RECORD


@mark.parametrize(
    ("keys", "value", "words"),
    [
        ("seed", "0", "'seed' is '0' where a whole number should be"),
        ("seed", True, "'seed' is True"),
        ("data", "here", "'data' is 'here' where a section should be"),
        ("data.train_images", -1, "'data.train_images' is -1 where a whole number from 0 should be"),
        ("versions.torch", 2, "'versions.torch' is 2 where a text should be"),
        ("sittings", {}, "'sittings' is {} where a list should be"),
        ("sittings.1", 7, "'sittings.1' is 7 where a section should be"),
        ("sittings.0.command", [], "'sittings.0.command' is []"),
        ("timings.total_seconds", "1", "'timings.total_seconds' is '1' where a number from 0 should be"),
        ("timings.total_seconds", 10**400, "'timings.total_seconds' is 1000"),
        ("timings.kwh_of.gpu", -0.5, "'timings.kwh_of.gpu' is -0.5"),
        ("per_class.sky", 50, "'per_class.sky' is 50"),
        ("per_class.sky.iou", "50", "'per_class.sky.iou' is '50' where a number should be"),
        ("per_class.a\nb.iou", "50", "'per_class.a\\\\nb.iou' is '50'"),
        ("hardware.tf32", 1, "'hardware.tf32' is 1 where true or false should be"),
        ("proof.after_training.stages.0.moved", 1.5, "'proof.after_training.stages.0.moved' is 1.5"),
        ("hardware.processes", None, ""),
        ("data", [], ""),
        ("of another tool", 3, ""),
    ],
)
def test_a_field_of_another_type_is_named(keys: str, value: Any, words: str, path: Path) -> None:
    if not words:
        read_changed(path, keys, value)
        return
    with raises(UserError) as caught:
        read_changed(path, keys, value)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert str(caught.value).endswith("; repeat the run")
    assert str(caught.value).isprintable()


@mark.parametrize("keys", sorted(FIELDS))
def test_no_field_takes_everything(keys: str, path: Path) -> None:
    values = ["x", [[3]], {"a": {"b": "c"}}, True, 0.5]  # of five types
    assert sum(_is_refused(keys.replace(ANY, "0"), each, path) for each in values) >= 3


def _is_refused(keys: str, value: Any, path: Path) -> bool:
    try:
        read_changed(path, keys, value)
    except UserError:
        return True
    return False


@mark.parametrize(
    "text", ['{"timings": {"total_seconds": NaN}}', '{"seed": Infinity}', '{"seed": 1e999}', "[]", "3", ""]
)
def test_numbers_that_are_not_finite_and_what_is_no_record_are_told(text: str, path: Path) -> None:
    path.write_text(text)
    with raises(UserError, match=r"result\.json is (not valid JSON|damaged: it holds no record of a run)"):
        read_record(path)
