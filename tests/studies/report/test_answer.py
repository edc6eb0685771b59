"""The answer at the top of the page: true to the numbers, also where there is little to say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backbones.errors import UserError
from backbones.reporting.numbers import two_digits
from studies.comparison.compare import compare_runs


def words_of(page: Any) -> str:
    return " ".join(page.text.split())


def test_the_answer_counts_verdicts_and_names_the_best_row(study: Path, make: Callable[..., Any]) -> None:
    page, _, content = make(study, baseline="b-standard")
    detection, segmentation = words_of(page).split("Measured here")[0].split("Segmentation (mIoU): ")
    assert "Detection (mAP 07): Of the 3 rows compared with b-standard, 3 carry over. The best, d-smooth:" in detection
    assert "Beside the paper's 3 differences: 2 same sign, size compatible; 1 same sign, larger." not in segmentation
    best = content["rows"][-1]["cells"]["voc07_map"]["difference"]
    low, high = best["simultaneous"]
    assert f"(95 %: +{low:.2f} to +{high:.2f}, allowing for the choice of the best; 2 and 3 seeds)" in detection
    assert low < best["interval"][0] < best["interval"][1] < high
    assert detection.rstrip().endswith("same sign, larger.")
    assert "Of the 3 rows compared with b-standard, " in segmentation
    assert "None is above it; the nearest, d-efficient: +1.0" in segmentation


def test_what_is_undecided_says_what_would_decide_it_and_for_how_many_hours(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    hours = {"classification": 10, "detection": 2}
    for recipe, mean in (("b-standard", 50.0), ("mine", 51.2)):
        for seed, noise in enumerate((-0.9, 0.9, 0.0)):
            for task, took in hours.items():
                value = mean + noise if task == "detection" else mean + noise / 100
                add_run(tmp_path, task, recipe, (value, 60), seed, timings={"total_seconds": took * 3600})
    page, _, content = make(tmp_path)
    needed = content["rows"][1]["cells"]["voc07_map"]["verdict"]["seeds_needed"]
    assert needed > 3
    more = (needed - 3) * 2 * 12  # of both rows, training and transfer
    decides = f"undecided; about {needed} seeds of both would decide it in 80 % of studies"
    assert f"{decides}, {two_digits(more)} hours of these machines more." in words_of(page)


def test_one_seed_answers_nothing(one_seed: Path, make: Callable[..., Any]) -> None:
    page, _, _ = make(one_seed)
    words = " ".join(page.text.split())
    assert (
        "Detection (mAP 07): d-smooth against b-standard: +2.50 points of top-1 and +3.50 points of mAP 07 (1 seed, "
        "without an interval): undecided; two seeds of each row are the least that tell a difference from noise. "
        "Beside the paper's +3.17: undecided." in words
    )


def test_rows_need_no_seed_in_common(tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]) -> None:
    for seed in range(4):
        recipe = "d-smooth" if seed < 2 else "b-standard"
        add_run(tmp_path, "detection", recipe, (40.0 + 5 * (seed > 1) + seed / 10, 41.0), seed)
    page, _, content = make(tmp_path)
    # s of both 0.0707, error √(2 · 0.005 / 2) = 0.0707, 2 degrees of freedom, t = 4.303: 0.304
    assert (
        "d-smooth against b-standard: \u22125.20 points of mAP 07 (95 %: \u22125.50 to \u22124.90; 2 seeds): it "
        "differs, and the direction of top-1 is not known. Beside the paper's +3.17: opposite." in words_of(page)
    )
    assert content["rows"][1]["cells"]["voc07_map"]["difference"]["pairs"] == 0


def test_one_difference_is_not_counted(tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]) -> None:
    for seed, noise in enumerate((-0.1, 0.1, 0.0)):
        add_run(tmp_path, "detection", "b-standard", (50.0, 51.0), seed)
        add_run(tmp_path, "detection", "d-smooth", (53.0 + noise, 54.0), seed)
    page, _, _ = make(tmp_path)
    words = " ".join(page.text.split())
    assert (
        "Detection (mAP 07): d-smooth against b-standard: +3.00 points of mAP 07 (95 %: +2.75 to +3.25; 3 seeds): it "
        "differs, and the direction of top-1 is not known. Beside the paper's +3.17: same sign, size compatible."
        in words
    )
    assert "Segmentation (mIoU): there is no finished run." in words


def test_a_baseline_that_no_row_is_above_is_not_called_worse_than_the_best(
    one_seed: Path, make: Callable[..., Any]
) -> None:
    page, _, _ = make(one_seed, baseline="d-smooth")
    words = " ".join(page.text.split())
    assert "b-standard against d-smooth: \u22122.50 points of top-1 and \u22123.50 points of mAP 07 (1 seed" in words
    assert "b-standard against d-smooth: \u22122.50 points of top-1, but +1.50 points of mIoU (1 seed" in words


def test_rows_that_the_paper_does_not_have_are_only_measured(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    for recipe, value in (("mine", 50), ("yours", 52)):
        add_run(tmp_path, "detection", recipe, (value, value))
    page, _, _ = make(tmp_path, baseline="mine")
    words = words_of(page).partition("Measured here")[0]
    assert "yours against mine: +2.00 points of mAP 07 (1 seed, without an interval): undecided; two seeds" in words
    assert "Beside the paper" not in words


def test_public_weights_stand_beside_the_row_that_is_stated_or_beside_none(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    for weights, value in (("torchvision:resnet50.V1", 50), ("timm:resnet50d.gluon", 54), ("timm:resnet50.other", 52)):
        for seed, noise in enumerate((0.0, 0.2, -0.1)):
            values, folder = (value + noise * (1 + value % 3), 51), f"{value}-{seed}"
            add_run(tmp_path, "detection", weights, values, seed, network="resnet50_d", folder=folder)
    beside = {"torchvision:resnet50.V1": "b-standard", "timm:resnet50d.gluon": "d-mixup"}
    page, _, content = make(tmp_path, baseline="torchvision:resnet50.V1", stated_recipes=beside)
    assert [row["name"] for row in content["rows"]] == [*beside, "timm:resnet50.other"]  # the paper's order
    found = [row["cells"]["voc07_map"] for row in content["rows"]]
    assert [cell["paper"] and cell["paper"]["value"] for cell in found] == [77.54, 81.10, None]
    assert found[1]["verdict"]["outcome"] == "differs"
    assert found[1]["paper_verdict"]["outcome"].startswith("same sign")
    mixup, other = (page.row("table-8", name) for name in ("timm:resnet50d.gluon", "timm:resnet50.other"))
    assert "as the paper's d-mixup" in mixup
    assert "81.10" in mixup
    assert "public weights, no row of the paper" in other
    assert sum("d-mixup" in line for line in page.rows["table-8"]) == 1  # and not once more as "not run"
    assert "Public weights: torchvision:resnet50.V1 beside b-standard; timm:resnet50d.gluon beside d-mixup" in page.text
    assert "Public weights without a row of the paper beside them: timm:resnet50.other." in page.text
    assert page.text.count("NOT COMPARED") == 0
    alone = compare_runs(tmp_path, "torchvision:resnet50.V1")
    assert all(row.cells["voc07_map"].paper is None for row in alone.rows)


def test_a_baseline_without_a_finished_run_leaves_differences_and_verdicts_out(
    study: Path, make: Callable[..., Any]
) -> None:
    for folder in study.glob("b-standard-*"):
        (folder / "result.json").unlink()
    page, text, content = make(study)
    assert content["baseline"] == "b-standard"
    assert all(cell["difference"] is None for row in content["rows"] for cell in row["cells"].values())
    words = " ".join(page.text.split())
    reason = "nothing is compared, because the baseline, b-standard, has no finished run."
    assert f"Detection (mAP 07): {reason} Segmentation (mIoU): {reason}" in words
    assert words.count(reason.replace("nothing", "Nothing")) == 3
    assert text.index("NOT COMPARED") < text.index("tables, beside these runs")
    baseline = next(line.split() for line in page.rows["table-8"] if line.split()[0] == "b-standard")
    assert " ".join(baseline).startswith("b-standard baseline \u2013 unfinished: seed 0, 1, 2")
    assert "+1.69" in page.row("table-8", "d-cosine")  # the paper's own difference stays
    assert 'class="verdict' not in text[text.index('id="table-8"') : text.index('id="drops"')]
    assert page.row("drops", "d-smooth")  # these are from d-cosine, which is there


def test_a_baseline_without_a_finished_run_of_one_task_is_said_there(one_seed: Path, make: Callable[..., Any]) -> None:
    (one_seed / "b-standard-resnet18_d-segmentation-0" / "result.json").unlink()
    page, _, _ = make(one_seed)
    words = " ".join(page.text.split())
    assert "d-smooth against b-standard: +2.50 points of top-1 and +3.50 points of mAP 07" in words
    reason = "nothing is compared, because the baseline, b-standard, has no finished run of it."
    assert f"Segmentation (mIoU): {reason}" in words


def test_a_baseline_in_training_has_its_line_where_only_a_random_trunk_is_finished(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    add_run(tmp_path, "segmentation", "random", (60, 20))
    add_run(tmp_path, "segmentation", "b-standard", None)
    page, _, _ = make(tmp_path)
    assert any("b-standard" in row and "unfinished: seed 0" in row for row in page.rows["table-9"])


def test_something_said_of_weights_without_a_row_is_refused(one_seed: Path, make: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=r"--beside timm:x=\.\.\.: there is no row of these weights; .* here: none"):
        make(one_seed, stated_recipes={"timm:x": "d-mixup"})
