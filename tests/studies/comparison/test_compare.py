"""The comparison against values worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import UserError
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison, compare_runs
from studies.comparison.rows import Row
from studies.report.forms.text import as_text
from studies.statistics.seeds import PAIRED, student_interval, subtract

# Two-sided 95 % points of Student's t by degrees of freedom, from a printed table.
T_TABLE = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 29: 2.045}


def row(comparison: Comparison, name: str) -> Row:
    return next(row for row in comparison.rows if row.name == name)


def cell(comparison: Comparison, name: str, metric: str) -> Cell:
    return row(comparison, name).cells[metric]


# --- intervals and differences ---


@pytest.mark.parametrize("n", [degrees + 1 for degrees in T_TABLE])
def test_interval_agrees_with_a_t_table(n: int) -> None:
    values = [50 + 3 * math.sin(index) for index in range(n)]
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    half = T_TABLE[n - 1] * math.sqrt(variance / n)
    assert student_interval(values) == pytest.approx((mean - half, mean + half), rel=1e-3)


def test_interval_needs_two_values() -> None:
    assert student_interval([]) is None
    assert student_interval([70.0]) is None
    assert student_interval([70.0, 70.0]) == (70.0, 70.0)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8), st.floats(-10, 10))
def test_interval_moves_with_its_values(values: list[float], shift: float) -> None:
    low, high = student_interval(values)
    moved_low, moved_high = student_interval([value + shift for value in values])
    assert low - 1e-9 <= sum(values) / len(values) <= high + 1e-9
    assert (moved_low, moved_high) == pytest.approx((low + shift, high + shift), abs=1e-6)


@given(st.dictionaries(st.integers(0, 9), st.floats(0, 100), min_size=5), st.floats(-10, 10))
def test_a_constant_gain_has_no_noise_when_paired(baseline: dict[int, float], gain: float) -> None:
    difference = subtract({seed: value + gain for seed, value in baseline.items()}, baseline)
    assert (difference.pairs, difference.test) == (len(baseline), PAIRED)
    assert difference.interval == pytest.approx((gain, gain), abs=1e-6)


def test_differences_are_antisymmetric_and_paired_from_five_common_seeds_on() -> None:
    one, other = {0: 10.0, 1: 20.0, 5: 99.0}, {1: 12.0, 0: 11.0}
    assert subtract(one, other).value == 31.5  # 43 - 11.5, the means
    assert subtract(other, one).value == -31.5
    assert subtract(one, other).pairs == 2
    one, other = one | {2: 4.0, 3: 5.0, 4: 6.0}, other | {2: 3.0, 3: 3.0, 4: 3.0}
    assert subtract(one, other).value == pytest.approx(2.6)  # (-1 + 8 + 1 + 2 + 3) / 5: 99 has no partner
    assert subtract(other, one).value == pytest.approx(-2.6)


def test_difference_without_a_common_seed_is_that_of_the_means() -> None:
    difference = subtract({0: 10.0, 1: 20.0}, {7: 12.0})
    assert (difference.value, difference.pairs, difference.interval) == (3.0, 0, None)
    assert subtract({}, {7: 12.0}) is None
    assert subtract({7: 12.0}, {}) is None


# --- one seed ---


def test_one_seed_has_differences_without_intervals(one_seed: Path) -> None:
    comparison = compare_runs(one_seed)
    assert comparison.baseline == "b-standard"
    smooth = row(comparison, "d-smooth").cells
    assert {metric: smooth[metric].mean for metric in smooth} == {
        "top1": 64.0,
        "voc07_map": 33.5,
        "voc_map": 34.0,
        "miou": 41.0,
        "pixel_accuracy": 71.25,
    }
    assert [smooth[metric].difference.value for metric in smooth] == [2.5, 3.5, 3.0, -1.5, 1.25]
    assert all(cell.interval is None and cell.difference.interval is None for cell in smooth.values())
    assert any("n=1, no interval" in note for note in comparison.notes)


def test_paper_numbers_stand_beside(one_seed: Path) -> None:
    comparison = compare_runs(one_seed)
    paper = {metric: cell.paper for metric, cell in row(comparison, "d-smooth").cells.items()}
    assert paper["voc07_map"].value == 80.71
    assert paper["voc07_map"].difference == pytest.approx(3.17)
    assert paper["miou"].difference == pytest.approx(1.70)
    assert paper["pixel_accuracy"].difference == pytest.approx(0.56)
    assert paper["top1"].difference == pytest.approx(2.20)
    assert paper["voc_map"] is None
    assert all(cell.paper is None for cell in row(comparison, "random").cells.values())
    assert all(cell.difference is None for cell in row(comparison, "b-standard").cells.values())
    assert cell(comparison, "b-standard", "top1").paper.difference is None


def test_paper_differences_follow_the_baseline(one_seed: Path) -> None:
    comparison = compare_runs(one_seed, "d-smooth")
    assert cell(comparison, "b-standard", "voc07_map").paper.difference == pytest.approx(-3.17)
    assert cell(comparison, "b-standard", "voc07_map").difference.value == -3.5
    against_random = compare_runs(one_seed, "random")
    assert cell(against_random, "d-smooth", "voc07_map").paper.difference is None
    assert any('no row "random"' in note for note in against_random.notes)


def test_paper_is_named_as_another_network_on_other_data(one_seed: Path) -> None:
    note = next(note for note in compare_runs(one_seed).notes if note.startswith("paper:"))
    assert "ResNet-50, ImageNet" in note
    assert "resnet18_d say nothing about" in note


def test_the_papers_networks_are_not_called_others(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    add_run(tmp_path, "detection", "b-standard", (70, 71), network="resnet50_b")
    add_run(tmp_path, "detection", "d-smooth", (72, 73), network="resnet50_d")
    note = next(note for note in compare_runs(tmp_path).notes if note.startswith("paper:"))
    assert "say nothing" not in note
    assert "only where data and downstream protocol are the paper's" in note


def test_row_order(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe in ("zeta", "d-distill-mixup", "alpha", "d-smooth", "b-standard", "random", "d-mixup", "d-cosine"):
        add_run(tmp_path, "detection", recipe, (50, 50))
    names = [row.name for row in compare_runs(tmp_path).rows]
    expected = ["random", "b-standard", "d-cosine", "d-smooth", "d-mixup", "d-distill-mixup", "alpha", "zeta"]
    assert names == expected


def test_several_networks_are_named_and_need_a_clear_baseline(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe, network in (("b-standard", "resnet18_b"), ("d-smooth", "resnet18_d"), ("d-smooth", "resnet50_d")):
        add_run(tmp_path, "detection", recipe, (50, 50), network=network)
    comparison = compare_runs(tmp_path)
    assert [row.name for row in comparison.rows] == [
        "b-standard (resnet18_b)",
        "d-smooth (resnet18_d)",
        "d-smooth (resnet50_d)",
    ]
    assert compare_runs(tmp_path, "d-smooth (resnet50_d)").baseline == "d-smooth (resnet50_d)"
    with pytest.raises(UserError, match=r'fits 2 rows.*"d-smooth \(resnet18_d\)"'):
        compare_runs(tmp_path, "d-smooth")


# --- several seeds ---


def test_several_seeds_by_hand(three_seeds: Path) -> None:
    comparison = compare_runs(three_seeds)
    base = cell(comparison, "b-standard", "voc07_map")
    # 30, 31, 35: mean 32, squared deviations 4 + 1 + 9, s² = 7, half width 4.303 · √(7 / 3) = 6.573
    assert (base.n, base.mean, base.seeds) == (3, 32.0, (0, 1, 2))
    assert base.interval == pytest.approx((32 - 6.573, 32 + 6.573), abs=2e-3)
    smooth = cell(comparison, "d-smooth", "voc07_map")
    assert (smooth.n, smooth.mean) == (4, 49.5)
    # Welch: s² = 2213 / 3 over 33, 35, 40, 90, so the error is √(737.67 / 4 + 7 / 3) = 13.666, with
    # 186.75² / (184.42² / 3 + 2.333² / 2) = 3.076 degrees of freedom and t = 3.138
    assert (smooth.difference.value, smooth.difference.pairs, smooth.difference.n) == (17.5, 3, (4, 3))
    assert smooth.difference.interval == pytest.approx((17.5 - 42.89, 17.5 + 42.89), abs=0.02)


def test_table_shows_intervals_and_seeds(three_seeds: Path) -> None:
    lines = as_text(compare_runs(three_seeds)).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("d-smooth"))
    assert lines[start].split() == ["d-smooth", "–", "–", "49.50", "+17.50", "49.50", "+17.50", *["–"] * 4]  # noqa: RUF001
    # s² = 2213 / 3 over 33, 35, 40, 90, so the half width is 3.1824 · √(737.67 / 4) = 43.22
    assert lines[start + 1].split()[:6] == ["±", "seeds", "–", "–", "43.22", "42.89"]  # noqa: RUF001
    assert lines[start + 2].split()[:5] == ["n", "–", "–", "4", "4+3"]  # noqa: RUF001
    assert lines[start + 3].split()[:5] == ["paper", "78.34", "+2.20", "80.71", "+3.17"]


def test_images_that_were_tested_on_and_trained_on_are_told(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 50))
    assert not any("SHARED IMAGES" in note for note in compare_runs(tmp_path).notes)
    data = {"root": "/data", "fingerprint": "f1", "shared_images": 3}
    add_run(tmp_path, "detection", "d-smooth", (51, 51), data=data)
    (note,) = [note for note in compare_runs(tmp_path).notes if "SHARED IMAGES" in note]
    assert note.startswith("SHARED IMAGES, detection: 3 of the tested images")


# --- top-1 ---


def test_top1_from_bundles_counts_each_backbone_once(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    backbone = {"sha256": "aa" * 32, "seed": 4, "top1": 66.0}
    for seed in (0, 1, 2):
        add_run(tmp_path, "detection", "b-standard", (50 + seed, 50), seed, backbone=backbone)
    comparison = compare_runs(tmp_path)
    top1 = cell(comparison, "b-standard", "top1")
    assert (top1.n, top1.seeds, top1.mean, top1.interval) == (1, (4,), 66.0, None)
    assert cell(comparison, "b-standard", "voc07_map").n == 3
    assert any("One trained backbone each: b-standard." in note for note in comparison.notes)


def test_top1_from_classification_runs_comes_first(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    add_run(tmp_path, "classification", "b-standard", (66.0, 90), seed=4)
    add_run(tmp_path, "classification", "b-standard", (68.0, 90), seed=5)
    add_run(tmp_path, "detection", "b-standard", (50, 50), backbone={"sha256": "aa", "seed": 4, "top1": 66.001})
    assert cell(compare_runs(tmp_path), "b-standard", "top1").values == (66.0, 68.0)
