"""The page of results says what the result files beside it say, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest import approx, mark, raises

from backbones.errors import UserError
from benchmarks.evidence.__main__ import main
from benchmarks.evidence.instruments import read_run
from benchmarks.evidence.page import in_short, page
from benchmarks.evidence.rows import Found, noise, read_found
from studies.statistics.verdict import CARRIES_OVER, DIFFERS, NO_DIFFERENCE, REVERSES, UNDECIDED

ROOT = Path(__file__).resolve().parents[3]
LITE = "timm:tf_efficientnet_lite{}.in1k from efficientnet-lite{}-1.pth"


def cell(
    values: list[float], difference: float | None = None, verdict: str = "", seeds: int | None = None
) -> dict[str, Any]:
    found: dict[str, Any] = {"values": values, "sd": 1.0}
    if difference is not None:
        found["difference"] = {"value": difference, "interval": [difference - 1, difference + 1]}
        found["verdict"] = {"outcome": verdict, "seeds_needed": seeds}
    return found


def write_study(folder: Path) -> Path:
    rows = [
        {"recipe": LITE.format(0, 0), "name": "long", "cells": {"voc07_map": cell([26.0, 28.0]), "miou": cell([54.0])}},
        {
            "recipe": LITE.format(2, 2),
            "name": "longer",
            "cells": {
                "voc07_map": cell([29.0, 29.0], 2.0, CARRIES_OVER),
                "miou": cell([53.0], -1.0, UNDECIDED, 12),
            },
        },
        {
            "recipe": "random",
            "name": "random (lite0)",
            "cells": {"voc07_map": cell([0.5, 0.7], -26.4, CARRIES_OVER), "miou": {}},
        },
    ]
    (folder / "real-weights").mkdir(parents=True)
    (folder / "real-weights/comparison.json").write_text(json.dumps({"rows": rows}))
    run = {"label": "SGD", "updates": 10, "seconds": 12.3, "value": 17.0}
    (folder / "instruments.json").write_text(json.dumps({"hardware": "a machine", "runs": [run]}))
    return folder


def test_the_page_has_rows_sentences_and_figures(tmp_path: Path) -> None:
    main([str(write_study(tmp_path))])
    text = (tmp_path / "README.md").read_text()
    assert "- **lite2**: 2.0 points of mAP (VOC07) more than lite0, as top-1 has it. Decided." in text
    assert "less than lite0, which is **undecided** at one seed; if it is that large, 12 seeds would decide it." in text
    assert (
        "- mAP (VOC07): the means have the order of top-1 (lite0 27.0, lite2 29.0), and every step from lite0 is dec"
        in text
    )
    assert "- mIoU: the means do not have the order of top-1 (lite0 54.0, lite2 53.0), and not every step" in text
    assert "a machine" in text
    assert sorted(path.name for path in tmp_path.glob("*.svg")) == ["differences.svg", "seeds.svg", "top1.svg"]
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}
    main([str(tmp_path)])
    assert before == {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}


def test_rows_by_their_mean_with_the_names_of_people(tmp_path: Path) -> None:
    rows = read_found(write_study(tmp_path) / "real-weights", "voc07_map")
    assert [(row.name, row.top1, row.mean) for row in rows] == [
        ("random", None, approx(0.6)),
        ("lite0", 75.1, 27.0),
        ("lite2", 77.6, 29.0),
    ]


def test_a_wrong_normalisation_has_no_published_top1(tmp_path: Path) -> None:
    folder = write_study(tmp_path) / "real-weights"
    study = json.loads((folder / "comparison.json").read_text())
    study["rows"][0]["recipe"] += ", wrong normalisation"
    (folder / "comparison.json").write_text(json.dumps(study))
    assert [(row.name, row.top1) for row in read_found(folder, "miou")][-1] == ("lite0, wrong normalisation", None)


@mark.parametrize(
    ("verdict", "words"),
    [
        (REVERSES, "1.5 points of mIoU less than lite0, against the order of top-1. Decided."),
        (DIFFERS, "1.5 points of mIoU less than lite0. Decided."),
        (NO_DIFFERENCE, "no difference in mIoU beyond 1 point. Decided."),
        (UNDECIDED, "1.5 points of mIoU less than lite0, which is **undecided** at 2 seeds."),
    ],
)
def test_each_verdict_in_a_sentence(verdict: str, words: str) -> None:
    row = Found("x", None, (50.0, 51.0), 0.7, -1.5, (-3.0, 0.1), verdict, None)
    assert in_short({"miou": [row]}) == [f"**x**: {words}"]


def test_noise_is_pooled_by_degrees_of_freedom() -> None:
    def row(values: tuple[float, ...], sd: float | None) -> Found:
        return Found("x", None, values, sd, None, None, None, None)

    assert noise([row((1.0, 2.0, 3.0), 1.0), row((1.0, 5.0), 4.0), row((1.0,), None)]) == approx(6**0.5)
    assert noise([row((1.0,), None)]) is None


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with raises(UserError, match=r"real-weights/comparison\.json: no such file"):
        main([str(tmp_path)])
    with raises(UserError, match="no finished transfer"):
        read_run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_committed_page_is_what_the_command_writes() -> None:
    folder = ROOT / "docs/results"
    assert page(folder) == (folder / "README.md").read_text(encoding="utf-8")
