"""Verdicts, drops and correlations as a reader sees them, and in the files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from pytest import approx, fixture

from studies.comparison.compare import compare_runs
from studies.report.forms.csv_lines import as_csv
from studies.report.forms.text import as_json, as_markdown, as_text
from studies.statistics.seeds import holm
from studies.statistics.verdict import Verdict

# Spreads of three seeds around a row's mean, so that differences have some too.
SPREAD = {"b-standard": (0.0, 0.1, -0.1), "d-cosine": (0.1, 0.0, -0.1), "d-smooth": (0.0, -0.1, 0.1)}
MEANS = {"b-standard": (77.0, 37.0), "d-cosine": (79.5, 40.0), "d-smooth": (78.0, 38.5)}


@fixture
def segmentation_study(tmp_path: Path, add_run: Callable[..., Path]) -> Path:
    """Three rows with three seeds: both refinements gain, the second loses against the first, as in the paper."""
    for recipe, (accuracy, miou) in MEANS.items():
        for seed, step in enumerate(SPREAD[recipe]):
            add_run(tmp_path, "segmentation", recipe, (accuracy + step, miou + 2 * step), seed)
    return tmp_path


def section(text: str, title: str) -> list[list[str]]:
    """The cells of a table of the text below its title."""
    lines = text.splitlines()
    start = lines.index(title) + 4
    return [line.split() for line in lines[start : lines.index(lines[start - 1], start)]]


def test_verdicts_and_drops_are_shown(segmentation_study: Path) -> None:
    comparison = compare_runs(segmentation_study)
    text = as_text(comparison)
    verdicts = section(text, "verdicts on the differences from b-standard")
    # Both rows' mIoU has sd 0.2 over 3 seeds: error 0.2 · √(2 / 3) = 0.163 with 4 degrees of freedom, t = 2.776
    assert verdicts[0][:4] == ["mIoU", "d-cosine", "+3.00", "0.45"]
    # Nobody measured top-1. 3 ± 0.45 leaves out the paper's 2.28.
    assert " ".join(verdicts[0][6:]) == "differs +2.28 same sign, larger"
    drops = section(text, "verdicts on the differences from d-cosine")
    assert [line[:3] for line in drops] == [["mIoU", "d-smooth", "-1.50"], ["pixAcc", "d-smooth", "-1.50"]]
    assert [" ".join(line[6:]) for line in drops] == [
        "differs -0.58 same sign, larger",
        "differs -0.61 same sign, larger",
    ]
    assert max(map(len, text.splitlines())) <= 120
    assert any(note.startswith("verdict: Δ differs where p Holm is at most .05") for note in comparison.notes)
    assert any("The runs of resnet18_d say nothing about ResNet-50, ImageNet" in note for note in comparison.notes)


def test_rows_of_much_fewer_seeds_than_the_baseline_are_told(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe, seeds in (("b-standard", 4), ("d-smooth", 2)):
        for seed in range(seeds):
            add_run(tmp_path, "detection", recipe, (50.0 + seed / 10, 51.0), seed)
    assert any(note.startswith("NOT ALIKE, seeds: ") for note in compare_runs(tmp_path).notes)
    add_run(tmp_path, "detection", "d-smooth", (50.0, 51.0), 2)
    assert not any(note.startswith("NOT ALIKE, seeds: ") for note in compare_runs(tmp_path).notes)


def test_verdicts_need_no_paper(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    """A user's own rows, against a row of theirs: one gains in both, one loses mAP, one is the same."""
    rows = {"mine": (70, 40), "better": (73, 44), "odd": (73, 36), "same": (70, 40)}
    for place, (recipe, (top1, mean_ap)) in enumerate(rows.items()):
        for seed, noise in enumerate(((0.1, -0.1, 0.0), (0.0, 0.1, -0.1))[place % 2]):
            add_run(tmp_path, "classification", recipe, (top1 + noise, 90), seed, network="resnet50_d")
            add_run(tmp_path, "detection", recipe, (mean_ap + noise, 50 + noise), seed, network="resnet50_d")
    comparison = compare_runs(tmp_path, "mine")
    found = {row.name: row.cells["voc07_map"] for row in comparison.rows}
    outcomes = {name: cell.verdict.outcome for name, cell in found.items() if cell.verdict}
    assert outcomes == {"better": "carries over", "odd": "reverses", "same": "no difference"}
    assert all(cell.paper_verdict is None for cell in found.values())
    text = as_text(comparison)
    assert text.startswith(
        "Detection (mAP 07): Of the 3 rows compared with mine, 1 carries over, 1 reverses and 1 shows"
    )
    assert "no difference (±1)" in text
    assert "beside the paper:" not in text
    assert "say nothing about" not in text


def test_p_values_are_adjusted_over_the_rows_of_one_metric(segmentation_study: Path) -> None:
    comparison = compare_runs(segmentation_study)
    for metric in ("miou", "pixel_accuracy"):
        differences = [row.cells[metric].difference for row in comparison.rows if row.name != "b-standard"]
        assert [each.adjusted_p for each in differences] == holm([each.p_value for each in differences])
    (drop,) = comparison.drops
    assert drop.cells["miou"].difference.adjusted_p == drop.cells["miou"].difference.p_value  # a family of its own


def test_drops_are_those_of_the_comparison_with_cosine(segmentation_study: Path) -> None:
    (drop,) = compare_runs(segmentation_study).drops
    other = compare_runs(segmentation_study, "d-cosine")
    assert other.drops == ()
    mine = next(row for row in other.rows if row.name == drop.name).cells["miou"]
    assert drop.reference == "d-cosine"
    assert drop.cells["miou"].difference.value == approx(mine.difference.value)
    assert drop.cells["miou"].paper == mine.paper
    assert mine.paper.difference == approx(-0.58)


def test_drops_stay_on_their_network(segmentation_study: Path, add_run: Callable[..., Path]) -> None:
    add_run(segmentation_study, "segmentation", "d-mixup", (70, 30), network="resnet50_d")
    drops = compare_runs(segmentation_study, "b-standard (resnet18_d)").drops
    assert [(row.name, row.reference) for row in drops] == [("d-smooth (resnet18_d)", "d-cosine (resnet18_d)")]


def test_one_seed_stays_short(one_seed: Path) -> None:
    comparison = compare_runs(one_seed)
    text = as_text(comparison)
    assert "verdict" not in text
    assert "correlation" not in text
    cell = comparison.rows[-1].cells["voc07_map"]
    assert cell.verdict == cell.paper_verdict == Verdict("undecided", 1.0)
    assert comparison.rows[0].cells["voc07_map"].paper_verdict is None  # random: the paper has no such row
    assert comparison.rows[1].cells["voc07_map"].verdict is None  # the baseline


def test_correlations_are_shown_from_four_rows_on(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    recipes = ("b-standard", "d-efficient", "d-cosine", "d-smooth")
    for place, recipe in enumerate(recipes):
        backbone = {"sha256": recipe, "seed": 0, "top1": 60.0 + place}
        add_run(tmp_path, "detection", recipe, (30.0 + place, 40.0 - place), backbone=backbone)
    comparison = compare_runs(tmp_path)
    title = "rank correlation with top-1, over rows"
    first, second = section(as_text(comparison), title)
    # 1 - 6 / 60 = 0.9 stands for 1: tanh(1.472 - 1.960 · √(1 + 0.9² / 2)) = -0.69
    assert first[:5] == ["mAP", "07", "4", "+1.00", "-0.69"]
    assert first[-1] == "+1.00"
    assert second[3] == "-1.00"
    assert f"## R{title[1:]}" in as_markdown(comparison)
    add_run(tmp_path, "detection", "d-mixup", (1.0, 1.0))  # no top-1, so still four
    assert len(section(as_text(compare_runs(tmp_path)), title)) == 2


def test_csv_and_json_hold_all_of_it(segmentation_study: Path) -> None:
    comparison = compare_runs(segmentation_study)
    records = list(csv.DictReader(io.StringIO(as_csv(comparison))))
    found = {(record["row"], record["baseline"], record["metric"]): record for record in records}
    assert len(found) == len(records) == 3 * 5 + 2
    record = found["d-smooth", "d-cosine", "miou"]
    assert (record["verdict"], record["paper_table"]) == ("differs", "9")
    assert (record["paper_verdict"], record["test"]) == ("same sign, larger", "Welch")
    assert float(record["paper_difference"]) == approx(-0.58)
    assert (float(record["margin"]), float(record["paper_margin"])) == (1.0, approx(0.29))
    record, cell = found["d-cosine", "b-standard", "miou"], comparison.rows[1].cells["miou"]
    for key, value in (
        ("sd", cell.sd),
        ("difference_sd", cell.difference.spread[2]),
        ("p_value", cell.difference.p_value),
        ("p_holm", cell.difference.adjusted_p),
        ("simultaneous_low", cell.difference.simultaneous[0]),
        ("simultaneous_high", cell.difference.simultaneous[1]),
    ):
        assert float(record[key]) == approx(value)
    assert record["seeds_needed"] == record["paper_seeds_needed"] == ""  # they are decided
    document = json.loads(json.dumps(as_json(comparison), allow_nan=False))
    assert document["drops"][0]["cells"]["miou"]["paper_verdict"]["outcome"] == "same sign, larger"
    assert document["rows"][1]["cells"]["miou"]["difference"]["adjusted_p"] == cell.difference.adjusted_p
    assert document["correlations"] == []
