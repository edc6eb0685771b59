"""Intervals over test images in a comparison: where they come from, what they cost, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pytest import MonkeyPatch, approx, fixture, raises

from backbones.errors import UserError
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison, compare_runs
from studies.report.forms.csv_lines import as_csv
from studies.report.forms.text import as_json, as_markdown, as_text
from studies.results import replicates as image_noise
from studies.statistics.bootstrap import image_interval, measure, percentile_interval, resample
from transfer.catalogue import MULTI_SCALE, SINGLE_SCALE
from transfer.evaluation.files import write_evaluation
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage, SegmentationEvaluation, SegmentedImage
from transfer.evaluation.segmentation import former_miou
from transfer.openmmlab import ops_bridge

AddEvaluated = Callable[..., Path]
IMAGES = 30


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


@fixture(autouse=True)
def own_cache(tmp_path_factory: object, monkeypatch: MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("CARRYOVER_CACHE", str(folder))
    return folder


def names(count: int = IMAGES) -> tuple[str, ...]:
    return tuple(f"{number}.jpg" for number in range(count))


def segmented(seed: int, count: int = IMAGES) -> SegmentationEvaluation:
    right = np.random.default_rng(seed).integers(30, 90, count)
    images = [SegmentedImage(np.array([0, 1, 3]), np.array([one, 100 - one, 50])) for one in right]
    return SegmentationEvaluation(("sky", "sea"), names(count), images)


def detected(seed: int) -> DetectionEvaluation:
    draw = np.random.default_rng(seed)
    box = np.array([[0, 0, 20, 20]], np.float32)
    images = []
    for score in draw.random(IMAGES):
        found = box + np.float32(0 if draw.random() < 0.7 else 40)
        images.append(EvaluatedImage(box, np.zeros(1, int), np.zeros(1, bool), found, np.zeros(1, int), score[None]))
    return DetectionEvaluation(("cat",), names(), images)


@fixture
def add_evaluated(add_run: Callable[..., Path]) -> AddEvaluated:
    """Writes a run folder with its per-image results, its metrics being what they say."""

    def add(
        root: Path,
        recipe: str,
        evaluation: object,
        seed: int = 0,
        multi_scale: object = None,
        **extra: object,
    ) -> Path:
        task = "detection" if isinstance(evaluation, DetectionEvaluation) else "segmentation"
        folder = add_run(root, task, recipe, (0, 0), seed, **extra)
        metrics = {}
        for name, each, ending in ((SINGLE_SCALE, evaluation, ""), (MULTI_SCALE, multi_scale, "_multiscale")):
            if each is not None:
                write_evaluation(folder / name, each)
                once = measure(each, np.ones((1, len(each.names)), np.int32))
                metrics |= {measure_name + ending: float(values[0]) for measure_name, values in once.items()}
        edit(folder, metrics=metrics)
        return folder

    return add


def edit(folder: Path, **changes: object) -> None:
    content = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**content, **changes}))


def cell(comparison: Comparison, name: str, metric: str) -> Cell:
    return next(row for row in comparison.rows if row.name == name).cells[metric]


def test_one_seed_has_an_interval_over_images_and_none_over_seeds(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    base, smooth = segmented(0), segmented(1)
    add_evaluated(tmp_path, "b-standard", base)
    add_evaluated(tmp_path, "d-smooth", smooth)
    comparison = compare_runs(tmp_path)
    found = cell(comparison, "d-smooth", "miou")
    mine, theirs = resample(smooth)["miou"], resample(base)["miou"]
    assert found.image_interval == percentile_interval(mine.values)
    assert found.difference.image_interval == percentile_interval(mine.values - theirs.values)
    assert (found.interval, found.difference.interval, found.difference.p_value) == (None, None, None)
    assert found.verdict.outcome == "undecided"  # images are no seeds
    assert cell(comparison, "b-standard", "miou").difference is None
    text = as_text(comparison)
    half = (found.image_interval[1] - found.image_interval[0]) / 2
    line = next(line for line in text.splitlines() if line.startswith("  ± images") and f"{half:.2f}" in line)
    assert line
    assert "± seeds" not in text
    assert "bootstrap interval over test images" in text
    assert "± images" in as_markdown(comparison)
    assert len(text.splitlines()) < 30


def test_several_seeds_have_both_and_they_are_told_apart(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    runs = {
        recipe: [segmented(start + seed) for seed in (0, 1)] for recipe, start in (("b-standard", 0), ("d-mixup", 5))
    }
    for recipe, evaluations in runs.items():
        for seed, evaluation in enumerate(evaluations):
            add_evaluated(tmp_path, recipe, evaluation, seed)
    add_evaluated(tmp_path, "d-mixup", segmented(99), seed=7)  # without a partner
    found = cell(compare_runs(tmp_path), "d-mixup", "miou")
    mine, theirs = ([resample(each)["miou"] for each in runs[recipe]] for recipe in ("d-mixup", "b-standard"))
    alone = resample(segmented(99))["miou"]
    assert found.image_interval == approx(image_interval([*mine, alone]))
    # Below five seeds in common the difference is that of the means, so that is what the images are drawn for.
    assert found.difference.image_interval == approx(image_interval([*mine, alone], theirs))
    assert found.interval is not None
    assert found.interval != found.image_interval


def several_transfers(root: Path, add_evaluated: AddEvaluated) -> dict[str, list[list[SegmentationEvaluation]]]:
    """Two rows of two trainings, of which the first has three transfers and the second one; evaluations by training."""
    evaluations = {
        recipe: [
            [segmented(start + number) for number in range(count)] for start, count in ((place, 3), (place + 5, 1))
        ]
        for place, recipe in ((0, "b-standard"), (50, "d-smooth"))
    }
    for recipe, trainings in evaluations.items():
        for training, transfers in enumerate(trainings):
            for number, evaluation in enumerate(transfers):
                backbone = {"sha256": f"{recipe}{training}", "seed": training}
                add_evaluated(root, recipe, evaluation, training + 1000 * number, backbone=backbone)
    return evaluations


def test_transfers_of_a_training_are_one_value_on_every_resample(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    """The weights of the runs in the interval are those that they have in the mean: a third each, against one."""
    evaluations = several_transfers(tmp_path, add_evaluated)
    found = cell(compare_runs(tmp_path), "d-smooth", "miou")
    values = {
        recipe: np.mean(
            [np.mean([resample(each)["miou"].values for each in transfers], axis=0) for transfers in trainings], axis=0
        )
        for recipe, trainings in evaluations.items()
    }
    assert found.n == 2
    assert found.image_interval == approx(percentile_interval(values["d-smooth"]))
    difference = values["d-smooth"] - values["b-standard"]
    assert found.difference.image_interval == approx(percentile_interval(difference))
    alike = image_interval([resample(each)["miou"] for transfers in evaluations["d-smooth"] for each in transfers])
    assert found.image_interval != approx(alike)


def test_a_training_of_which_a_transfer_has_no_images_takes_the_interval(
    tmp_path: Path, add_evaluated: AddEvaluated
) -> None:
    several_transfers(tmp_path, add_evaluated)
    (tmp_path / "d-smooth-resnet18_d-segmentation-1000" / SINGLE_SCALE).unlink()
    comparison = compare_runs(tmp_path)
    assert cell(comparison, "d-smooth", "miou").image_interval is None
    assert cell(comparison, "b-standard", "miou").image_interval is not None


def test_transfers_on_other_images_have_no_interval_together(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    for training, count in ((0, 25), (1, 30)):
        for number, images in enumerate((count, 30)):
            backbone = {"sha256": f"{training}", "seed": training}
            evaluation = segmented(number, images)
            add_evaluated(tmp_path, "b-standard", evaluation, training + 1000 * number, backbone=backbone)
    found = cell(compare_runs(tmp_path), "b-standard", "miou")
    assert (found.n, found.image_interval) == (2, None)


def test_detection_and_multi_scale(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    add_evaluated(tmp_path, "b-standard", detected(0))
    add_evaluated(tmp_path, "b-standard", segmented(0), multi_scale=segmented(3))
    comparison = compare_runs(tmp_path)
    for metric, evaluation, name in (
        ("voc07_map", detected(0), "voc07_map"),
        ("voc_map", detected(0), "voc_map"),
        ("pixel_accuracy", segmented(0), "pixel_accuracy"),
        ("miou_multiscale", segmented(3), "miou"),
    ):
        assert cell(comparison, "b-standard", metric).image_interval == image_interval([resample(evaluation)[name]])
    assert cell(comparison, "b-standard", "top1").image_interval is None


def test_a_run_without_per_image_results_takes_the_interval_of_its_cells(
    tmp_path: Path, add_evaluated: AddEvaluated
) -> None:
    """An interval for some of a mean's runs would be one of another mean."""
    for recipe, start in (("b-standard", 0), ("d-smooth", 5)):
        for seed in (0, 1):
            add_evaluated(tmp_path, recipe, segmented(start + seed), seed)
    (tmp_path / "b-standard-resnet18_d-segmentation-1" / SINGLE_SCALE).unlink()
    comparison = compare_runs(tmp_path)
    assert cell(comparison, "b-standard", "miou").image_interval is None
    assert cell(comparison, "d-smooth", "miou").image_interval is not None
    assert cell(comparison, "d-smooth", "miou").difference.image_interval is None


def test_runs_on_other_images_are_not_paired(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    add_evaluated(tmp_path, "b-standard", segmented(0, 25))
    add_evaluated(tmp_path, "d-smooth", segmented(1, 30))
    found = cell(compare_runs(tmp_path), "d-smooth", "miou")
    assert found.image_interval is not None
    assert found.difference.image_interval is None


def test_csv_and_json_keep_the_two_kinds_apart(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    add_evaluated(tmp_path, "b-standard", segmented(0))
    comparison = compare_runs(tmp_path)
    header, *lines = (line.split(",") for line in as_csv(comparison).splitlines())
    record = next(dict(zip(header, line, strict=True)) for line in lines if "miou" in line)
    low, high = cell(comparison, "b-standard", "miou").image_interval
    assert (record["images_low"], record["images_high"]) == (str(low), str(high))
    assert (record["interval_low"], record["interval_high"]) == ("", "")
    document = json.loads(json.dumps(as_json(comparison), allow_nan=False))
    assert document["rows"][0]["cells"]["miou"]["image_interval"] == [low, high]


def test_a_file_is_resampled_once_and_again_when_it_changes(
    tmp_path: Path, add_evaluated: AddEvaluated, own_cache: Path, monkeypatch: MonkeyPatch
) -> None:
    folder = add_evaluated(tmp_path, "b-standard", segmented(0))
    first = compare_runs(tmp_path)
    calls = []
    monkeypatch.setattr(image_noise, "resample", lambda each: calls.append(each) or resample(each))
    assert compare_runs(tmp_path) == first
    assert calls == []
    (record,) = (own_cache / "bootstrap").iterdir()
    record.write_bytes(record.read_bytes()[:50])  # a damaged record is no record
    assert compare_runs(tmp_path) == first
    write_evaluation(folder / SINGLE_SCALE, segmented(1))
    once = measure(segmented(1), np.ones((1, IMAGES), np.int32))
    edit(folder, metrics={name: float(values[0]) for name, values in once.items()})
    assert compare_runs(tmp_path) != first
    assert len(calls) == 2


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, add_evaluated: AddEvaluated, own_cache: Path
) -> None:
    (own_cache / "bootstrap").write_text("a file where the folder should be")
    add_evaluated(tmp_path, "b-standard", segmented(0))
    assert cell(compare_runs(tmp_path), "b-standard", "miou").image_interval is not None


def test_the_file_of_another_evaluation_is_refused(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    folder = add_evaluated(tmp_path, "b-standard", segmented(0))
    write_evaluation(folder / SINGLE_SCALE, segmented(1))
    with raises(UserError, match=r"evaluation\.npz gives .* where .*result\.json says .* not of one evaluation"):
        compare_runs(tmp_path)


def third_class_predicted(pixels: int) -> SegmentationEvaluation:
    """As ``segmented``, with a third class that no label holds and some pixels are given."""
    images = [
        SegmentedImage(np.array([0, 1, 2, 4]), np.array([60, 10, pixels, 50]))  # label x 3 + prediction
        for _ in range(IMAGES)
    ]
    return SegmentationEvaluation(("sky", "sea", "land"), names(), images)


def test_all_rows_average_the_classes_of_the_labels_older_runs_too(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    base, smooth = third_class_predicted(0), third_class_predicted(1)
    add_evaluated(tmp_path, "b-standard", base)
    folder = add_evaluated(tmp_path, "d-smooth", smooth)
    content = json.loads((folder / "result.json").read_text())
    now = content["metrics"]["miou"]
    assert now == approx(100 * (60 / 71 + 50 / 60) / 2)
    comparison = compare_runs(tmp_path)
    told = "mIoU averages the 2 classes that the test labels hold, in all rows; 1 have no test pixel: land."
    assert told in comparison.notes
    assert not any("counted anew" in note for note in comparison.notes)
    edit(folder, metrics={**content["metrics"], "miou": 100 * former_miou(smooth)})  # as an older version has it
    comparison = compare_runs(tmp_path)
    assert cell(comparison, "d-smooth", "miou").mean == approx(now)
    words = "mIoU of 1 run of an older version is counted anew from the results per image, over the classes that the"
    assert any(note.startswith(words) for note in comparison.notes)
    edit(folder, metrics={**content["metrics"], "miou": 100 * former_miou(smooth) + 0.02})
    with raises(UserError, match="they are not of one evaluation"):
        compare_runs(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    folder = add_evaluated(tmp_path, "b-standard", segmented(0))
    (folder / SINGLE_SCALE).write_bytes(b"PK\x03\x04 half")
    with raises(UserError, match=r"evaluation\.npz is damaged"):
        compare_runs(tmp_path)


def test_what_an_older_version_counted_otherwise_is_counted_anew(tmp_path: Path, add_evaluated: AddEvaluated) -> None:
    """Runs from when VOC2007's recalls were exact tenths stay valid; anything else is not of that evaluation."""
    folder = add_evaluated(tmp_path, "b-standard", detected(0))
    add_evaluated(tmp_path, "d-smooth", detected(1))
    content = json.loads((folder / "result.json").read_text())
    now = content["metrics"]["voc07_map"]
    edit(folder, metrics={**content["metrics"], "voc07_map": now + 0.4})
    comparison = compare_runs(tmp_path)
    assert cell(comparison, "b-standard", "voc07_map").mean == approx(now)
    assert any("mAP 07 of 1 run of an older version is counted anew" in note for note in comparison.notes)
    edit(folder, metrics={**content["metrics"], "voc_map": content["metrics"]["voc_map"] + 0.4})
    with raises(UserError, match="they are not of one evaluation"):
        compare_runs(tmp_path)
