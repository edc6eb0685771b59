"""The first screen: its headline says what the numbers say, and its cards are those of one row, chosen by top-1."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fabricated
import pytest

from studies.comparison.compare import compare_runs, compare_settings
from studies.report.figures.hero import WIDE, Line, apart, hero, limits
from studies.report.front.cards import cards
from studies.report.front.controls import controls
from studies.report.front.finding import finding, focus_place
from studies.report.page import write_pages
from studies.report.whole import setting_names, write_whole_report
from studies.statistics.seeds import Difference

AddRun = Callable[..., Path]


def told(root: Path, add_run: AddRun, gains: tuple[float, float, float], seeds: int = 5, noise: float = 0.1) -> str:
    rows = {"b-standard": (0.0, 0.0, 0.0), "mine": gains}
    return finding(compare_runs(fabricated.add_study(root, add_run, rows, seeds, noise)))


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ((2, 2, 2), "mine's +2.0 points of top-1 carry over to detection and segmentation"),
        ((2, 2, -2), "mine's +2.0 points of top-1 carry over to detection but reverse in segmentation"),
        ((2, 2, 0), "mine's +2.0 points of top-1 carry over to detection but make no difference in segmentation"),
        ((2, -2, 0), "mine's +2.0 points of top-1 reverse in detection and make no difference in segmentation"),
        ((-2, -2, -2), "mine's \u22122.0 points of top-1 carry over to detection and segmentation"),
        ((2, 0, 0), "mine's +2.0 points of top-1 make no difference in detection and segmentation"),
    ],
)
def test_the_headline_says_what_became_of_a_known_gain(
    tmp_path: Path, add_run: AddRun, gains: tuple[float, float, float], words: str
) -> None:
    found = told(tmp_path, add_run, gains)
    assert found.replace("2.1 points", "2.0 points").replace("1.9 points", "2.0 points") == words


def test_a_headline_claims_no_more_than_the_runs_say(tmp_path: Path, add_run: AddRun) -> None:
    noisy = told(tmp_path / "noisy", add_run, (6, 1, 1), seeds=2, noise=0.5)
    assert noisy == "Whether mine's +5.8 points of top-1 carry over to detection and segmentation is undecided"
    one = told(tmp_path / "one", add_run, (2, 2, 2), seeds=1)
    assert one.startswith("One seed is too few to tell: mine is at +")
    open_top1 = told(tmp_path / "open", add_run, (0.0, 3, 0))
    assert open_top1.startswith("mine is 3.1 points of mAP 07 above b-standard, no difference in segmentation; its ")
    assert open_top1.endswith(" points of top-1 may be noise")


def test_without_anything_to_compare_the_headline_says_why(tmp_path: Path, add_run: AddRun) -> None:
    add_run(tmp_path / "alone", "classification", "b-standard", (60, 80))
    alone = finding(compare_runs(tmp_path / "alone"))
    assert alone == "Nothing to compare yet: only the baseline, b-standard, has finished runs"
    add_run(tmp_path / "none", "classification", "d-smooth", (60, 80))
    none = finding(compare_runs(tmp_path / "none"))
    assert none == "Nothing to compare yet: the baseline, b-standard, has no finished run"
    for recipe, top1 in (("b-standard", 60), ("d-smooth", 62)):
        add_run(tmp_path / "early", "classification", recipe, (top1, 80))
    early = finding(compare_runs(tmp_path / "early"))
    assert early == "d-smooth's +2.0 points of top-1 have not been transferred yet"


def test_cards_are_of_the_row_with_the_best_top1_whatever_it_does_in_transfer(tmp_path: Path, add_run: AddRun) -> None:
    rows = {"b-standard": (0, 0, 0), "best": (3.0, -2.0, 0.0), "other": (1.0, 4.0, 4.0)}
    comparison = compare_runs(fabricated.add_study(tmp_path, add_run, rows, noise=0.1))
    place = focus_place(comparison)
    assert comparison.rows[place].name == "best"
    top1, detection, segmentation = cards(comparison)
    assert [card.outcome for card in (top1, detection, segmentation)] == ["gain", "reverses", "no difference"]
    cell = comparison.rows[place].cells["voc07_map"]
    assert (
        f'value="{cell.difference.value!r}" data-from="rows.{place}.cells.voc07_map.difference.value"'
        in detection.value
    )
    assert all(repr(end) in detection.certainty for end in cell.difference.interval)
    assert detection.certainty.endswith("5 seeds")


def test_a_random_trunk_is_named_off_the_scale_and_not_drawn(tmp_path: Path, add_run: AddRun) -> None:
    comparison = compare_runs(fabricated.known_effects(tmp_path, add_run))
    drawn = hero(comparison)
    assert "random" not in drawn
    assert controls(comparison).startswith("random \u22123")
    assert drawn.count("<svg") == 2
    assert drawn.count('class="behind ') > 30  # the paper's


def test_the_axis_holds_all_differences_but_no_interval_out_of_proportion() -> None:
    def difference(value: float, half: float) -> Difference:
        ends = (value - half, value + half)
        return Difference(value=value, pairs=0, interval=ends, n=(2, 2), test="Welch")

    lines = [Line("a", 1, (difference(1.0, 50.0), difference(-0.5, 0.1)), (3.0, None), True)]
    low, high = limits(lines)
    assert low < -0.6
    assert high > 3.0
    assert high - low < 15


def test_names_at_the_end_of_lines_do_not_overlap() -> None:
    moved = apart([10.0, 12.0, 13.0, 440.0, 441.0], 16.0, WIDE.bottom)
    assert all(after - before >= 16 - 1e-9 for before, after in itertools.pairwise(moved))
    assert moved[-1] <= WIDE.bottom


def test_settings_are_a_section_each(tmp_path: Path, add_run: AddRun) -> None:
    comparisons = compare_settings(fabricated.several_settings(tmp_path, add_run), "mine-plain")
    names = setting_names(comparisons)
    assert [name.words for name in names] == [
        "Detection on VOCdevkit (faster_rcnn_c4_voc07), segmentation on ADEChallengeData2016 (fcn_os8_ade20k)",
        "Detection on COCO (faster_rcnn_c4_voc07)",
        "Detection on VOCdevkit (faster_rcnn_fpn_voc07)",
    ]
    written = write_whole_report(comparisons, tmp_path / "report")
    text = written.page.read_text(encoding="utf-8")
    assert [text.index(f'id="setting-{place}"') for place in (1, 2, 3)] == sorted(
        text.index(f'id="setting-{place}"') for place in (1, 2, 3)
    )
    for name in names[1:]:
        assert (tmp_path / "report" / name.folder / "comparison.json").is_file()
        assert (tmp_path / "report" / name.folder / "tables.tex").is_file()
        assert f'href="{name.folder}/comparison.csv"' in text
    assert text.count("carry over to detection but make no difference") == 2  # in the list, and above its section
    assert text.count("reverse in detection") == 4


def test_one_setting_is_no_section(study: Path, make: Callable[..., Any], tmp_path: Path) -> None:
    alone = write_pages(compare_settings(study), tmp_path / "alone").read_text(encoding="utf-8")
    assert alone == make(study)[1]
    assert "setting-1" not in alone


def test_many_rows_are_told_by_their_ranks(tmp_path: Path, add_run: AddRun) -> None:
    comparison = compare_runs(fabricated.zoo(tmp_path, add_run))
    (detection, segmentation) = (each for each in comparison.correlations if each.metric in ("voc07_map", "miou"))
    assert finding(comparison) == (
        f"Over 14 rows, a better top-1 goes with a better mAP 07 (Spearman +{detection.ours.value:.2f}); "
        f"for mIoU (Spearman +{segmentation.ours.value:.2f}) it is open"
    )
    top1, first, second = cards(comparison)
    assert (top1.unit, first.unit, first.outcome, second.outcome) == ("%", "Spearman", "goes with top-1", "open")
    assert f'value="{detection.kendall.value!r}"' in first.paper
    assert detection.kendall.value < detection.ours.value


def test_ranks_that_run_against_top1_are_said_to(tmp_path: Path, add_run: AddRun) -> None:
    rows = {"b-standard" if not place else f"r{place}": (place, -place, 0.0) for place in range(10)}
    told = finding(compare_runs(fabricated.add_study(tmp_path, add_run, rows, seeds=1, noise=0.0)))
    assert told == "Over 10 rows, a better top-1 goes with a worse mAP 07 (Spearman \u22121.00)"
    fewer = dict(list(rows.items())[:8])
    told = finding(compare_runs(fabricated.add_study(tmp_path / "fewer", add_run, fewer, seeds=1, noise=0.0)))
    assert told.startswith("One seed is too few")


def test_classes_in_between_are_folded(tmp_path: Path, add_run: AddRun, make: Callable[..., Any]) -> None:
    for recipe, step in (("b-standard", 0.0), ("d-smooth", 0.5)):
        classes = {f"class{place:02}": {"voc07_ap": 50 + step * (place - 15)} for place in range(31)}
        add_run(tmp_path, "detection", recipe, (50 + step, 51), per_class=classes)
    text = make(tmp_path)[1]
    assert "<summary>15 of 31 classes, in between</summary>" in text
    assert '<span class="nb">class15 +0.0</span>' in text
    assert text.index("class30") < text.index("15 of 31 classes") < text.index("class15 +0.0")
