"""Figures, tables and pictures of a classification report, against loops written from the definitions."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest import MonkeyPatch, approx, mark, raises
from torch import Tensor
from torch.nn import functional as F

from backbones.errors import UserError
from backbones.evaluation import report as bundle_evaluation
from backbones.evaluation.accuracy import count_correct
from backbones.evaluation.metrics import (
    Predictions,
    calibration_bins,
    class_table,
    collect_predictions,
    confusion_matrix,
    expected_calibration_error,
    frequent_confusions,
    mean_probabilities,
    overall_metrics,
)
from backbones.evaluation.pictures import draw_class_accuracy, draw_confusion, draw_reliability
from backbones.evaluation.report import write_report

SIZES = {"num_classes": st.integers(2, 9), "images": st.integers(1, 60), "seed": st.integers(0, 10_000)}


def random_outputs(num_classes: int, images: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (images,), generator=generator)
    logits = 2.0 * torch.randn(images, num_classes, generator=generator)
    return logits + 1.5 * F.one_hot(labels, num_classes), labels


def made_up(labels: list[int], guesses: list[int], confidences: list[float]) -> Predictions:
    hits = np.array(labels) == np.array(guesses)
    return Predictions(np.array(labels), np.array(guesses), hits, np.array(confidences), np.zeros(len(labels)))


def calibration_error_by_hand(logits: Tensor, labels: Tensor, bins: int) -> float:
    """Guo et al., Equation 3: every image looks for its bin ((m - 1) / M, m / M]."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for row, label in zip(logits.double().tolist(), labels.tolist(), strict=True):
        total = sum(math.exp(value) for value in row)
        probabilities = [math.exp(value) / total for value in row]
        confidence = max(probabilities)
        for number in range(1, bins + 1):
            if (number - 1) / bins < confidence <= number / bins:
                members[number - 1].append((confidence, probabilities.index(confidence) == label))
    error = 0.0
    for inside in members:
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            confidence = sum(value for value, _ in inside) / len(inside)
            error += len(inside) / len(labels) * abs(accuracy - confidence)
    return error


@given(**SIZES)
@settings(deadline=None)
def test_calibration_error_equals_a_loop_over_images(num_classes: int, images: int, seed: int) -> None:
    logits, labels = random_outputs(num_classes, images, seed)
    bins = calibration_bins(collect_predictions([(logits, labels)]))
    assert len(bins) == 15
    assert sum(part.images for part in bins) == images
    assert expected_calibration_error(bins) == approx(100 * calibration_error_by_hand(logits, labels, 15), abs=1e-9)


@given(**SIZES)
@settings(deadline=None)
def test_confusion_matrix_equals_a_loop_over_images(num_classes: int, images: int, seed: int) -> None:
    logits, labels = random_outputs(num_classes, images, seed)
    expected = [[0] * num_classes for _ in range(num_classes)]
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        expected[label][row.index(max(row))] += 1
    assert confusion_matrix(collect_predictions([(logits, labels)]), num_classes).tolist() == expected


@given(**SIZES, batch=st.integers(1, 20))
@settings(deadline=None)
def test_overall_figures_are_those_of_training_and_of_torch(
    num_classes: int, images: int, seed: int, batch: int
) -> None:
    logits, labels = random_outputs(num_classes, images, seed)
    metrics = overall_metrics(collect_predictions(zip(logits.split(batch), labels.split(batch), strict=True)))
    top1, top5 = count_correct(logits, labels).tolist()
    assert (metrics["top1"], metrics["top5"]) == (100.0 * top1 / images, 100.0 * top5 / images)
    assert metrics["negative_log_likelihood"] == approx(F.cross_entropy(logits.double(), labels).item())
    assert metrics["mean_confidence"] == approx(100 * logits.double().softmax(1).amax(1).mean().item())


def test_a_tie_goes_to_the_class_that_training_counts() -> None:
    logits, labels = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])
    assert overall_metrics(collect_predictions([(logits, labels)]))["top1"] == 25.0 * count_correct(logits, labels)[0]


def test_bins_have_their_upper_edge() -> None:
    bins = calibration_bins(made_up([0] * 4, [0] * 4, [0.2, 0.2000001, 0.4, 1.0]), bins=5)
    assert [part.images for part in bins] == [1, 2, 0, 0, 1]
    assert (bins[2].confidence, bins[2].accuracy) == (None, None)


def test_calibration_error_of_known_cases() -> None:
    def error(*case: list) -> float:
        return expected_calibration_error(calibration_bins(made_up(*case)))

    assert error([0] * 4, [0, 0, 0, 1], [0.75] * 4) == approx(0.0)
    assert error([0] * 4, [1] * 4, [1.0] * 4) == approx(100.0)
    assert error([0] * 4, [0] * 4, [0.9] * 4) == approx(10.0)  # too modest counts like too bold


@mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_refused(value: float) -> None:
    with raises(UserError, match="not finite"):
        collect_predictions([(torch.tensor([[0.0, value]]), torch.tensor([0]))])


@given(**SIZES)
@settings(deadline=None)
def test_class_table_equals_counting(num_classes: int, images: int, seed: int) -> None:
    logits, labels = random_outputs(num_classes, images, seed)
    names = [f"class {index}" for index in range(num_classes)]
    for index, row in enumerate(class_table(collect_predictions([(logits, labels)]), names)):
        own = [values for values, label in zip(logits.tolist(), labels.tolist(), strict=True) if label == index]
        guesses = [values.index(max(values)) for values in own]
        among_five = sum(index in sorted(range(num_classes), key=lambda k: -values[k])[:5] for values in own)
        everyones = logits.argmax(1).tolist()
        assert (row["class"], row["images"], row["correct"]) == (f"class {index}", len(own), guesses.count(index))
        assert row["top1"] == (approx(100 * guesses.count(index) / len(own)) if own else None)
        assert row["top5"] == (approx(100 * among_five / len(own)) if own else None)
        assert row["guessed"] == everyones.count(index)
        right = guesses.count(index)
        assert row["precision"] == (approx(100 * right / row["guessed"]) if row["guessed"] else None)


def test_frequent_confusions_leave_out_what_is_right_and_what_never_happened() -> None:
    confusion = np.array([[90, 4, 6], [0, 10, 0], [5, 0, 0]])
    assert frequent_confusions(confusion, ["a", "b", "c"], 9) == [
        {"true": "a", "guessed": "c", "images": 6, "share": 6.0},
        {"true": "c", "guessed": "a", "images": 5, "share": 100.0},
        {"true": "a", "guessed": "b", "images": 4, "share": 4.0},
    ]
    assert len(frequent_confusions(confusion, ["a", "b", "c"], 2)) == 2
    assert np.trace(confusion) == 100


def test_tables_can_be_read_back(tmp_path: Path) -> None:
    logits, labels = random_outputs(3, 40, seed=1)
    predictions = collect_predictions([(logits, labels)])
    names = ["plain", 'comma, "quote"', "$n$ öäü"]
    report = write_report(tmp_path / "report", predictions, names, {"split": "val"})
    header, *rows = read_csv(tmp_path / "report" / "confusion.csv")
    assert header[1:] == names
    assert [row[0] for row in rows] == names
    assert [[int(cell) for cell in row[1:]] for row in rows] == confusion_matrix(predictions, 3).tolist()
    header, *rows = read_csv(tmp_path / "report" / "per_class.csv")
    assert [row[header.index("class")] for row in rows] == names
    assert sum(int(row[header.index("correct")]) for row in rows) == int(predictions.correct.sum())
    header, *rows = read_csv(tmp_path / "report" / "calibration.csv")
    assert sum(int(row[header.index("images")]) for row in rows) == 40
    assert "" in {row[header.index("accuracy")] for row in rows}  # an empty bin has no accuracy, not 0
    assert json.loads((tmp_path / "report" / "evaluation.json").read_text()) == report
    assert report["split"] == "val"


def read_csv(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_evaluation_json_comes_last(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(bundle_evaluation, "draw_reliability", fail)
    with raises(OSError, match="disk full"):
        write_report(tmp_path, collect_predictions([random_outputs(3, 5, seed=0)]), ["a", "b", "c"], {})
    assert not (tmp_path / "evaluation.json").exists()
    assert (tmp_path / "per_class.csv").exists()


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@mark.parametrize("num_classes", [2, 6, 30])
def test_a_small_confusion_matrix_has_room_for_every_class(tmp_path: Path, num_classes: int) -> None:
    names = [f"$\\frac{index} a name that is far too long for any picture" for index in range(num_classes)]
    draw_confusion(tmp_path / "a.png", np.eye(num_classes, dtype=int), names)
    draw_confusion(tmp_path / "b.png", np.eye(num_classes, dtype=int)[::-1], names)
    one, other = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    assert one.shape == other.shape
    assert one.shape[0] > 36 * num_classes
    dark = one.sum(axis=2) < 300
    assert not dark[:, 0].any()  # nothing runs over the left edge
    assert not dark[-1].any()
    assert (one != other).any()


@mark.parametrize("num_classes", [31, 100, 1000])
def test_a_large_confusion_matrix_shows_every_class_at_its_place(tmp_path: Path, num_classes: int) -> None:
    confusion = 50 * np.eye(num_classes, dtype=int)
    confusion[3, 17] = 2
    draw_confusion(tmp_path / "c.png", confusion, [f"class {index}" for index in range(num_classes)])
    pixels = picture(tmp_path / "c.png")
    cell = max(1, 900 // num_classes)
    center = 50 + cell // 2 + cell * np.arange(num_classes)
    matrix = pixels[center][:, center + 30]  # the matrix begins 80 pixels from the left, 50 from the top
    diagonal, nothing = np.diagonal(matrix).T, matrix[0, -1]
    assert (diagonal[np.arange(num_classes) != 3] == diagonal[0]).all()
    assert diagonal[0].sum() < 300 < 700 < nothing.sum()
    elsewhere = matrix[~np.eye(num_classes, dtype=bool)]
    assert (elsewhere != nothing).any(axis=1).sum() == 1
    assert 300 < matrix[3, 17].sum() < 700  # two mistakes in 52 images can be seen


@mark.parametrize(("num_classes", "bars"), [(2, 2), (40, 40), (41, 20), (500, 20)])
def test_bars_for_all_classes_or_for_the_worst_and_best(tmp_path: Path, num_classes: int, bars: int) -> None:
    logits, labels = random_outputs(num_classes, 10 * num_classes, seed=3)
    table = class_table(collect_predictions([(logits, labels)]), [f"$ {index}" for index in range(num_classes)])
    draw_class_accuracy(tmp_path / "bars.png", table)
    height, width, _ = picture(tmp_path / "bars.png").shape
    assert height == 80 + 24 * bars
    assert width == (640 if num_classes <= 40 else 1280)


def test_a_class_without_images_has_no_bar(tmp_path: Path) -> None:
    table = class_table(made_up([0, 1, 1], [0, 1, 0], [0.9, 0.8, 0.6]), ["a", "b", "never seen"])
    assert table[2]["top1"] is None
    draw_class_accuracy(tmp_path / "bars.png", table)
    assert picture(tmp_path / "bars.png").shape[0] == 80 + 24 * 2


def test_reliability_diagram_shows_the_bins(tmp_path: Path) -> None:
    for name, confidence in (("bold", 0.99), ("modest", 0.52)):
        predictions = made_up([0, 1, 0, 1], [0, 1, 0, 0], [confidence] * 4)
        draw_reliability(tmp_path / f"{name}.png", calibration_bins(predictions), overall_metrics(predictions))
    bold, modest = picture(tmp_path / "bold.png"), picture(tmp_path / "modest.png")
    row = 45 + 440 - 20  # just above the axis: the bars alone
    assert columns_in_blue(bold[row]) == approx(70 + 460 * 29 / 30, abs=2)
    assert columns_in_blue(modest[row]) == approx(70 + 460 / 2, abs=2)


def columns_in_blue(row: np.ndarray) -> float:
    blue = (np.abs(row - (0xA9, 0xC8, 0xE3)).sum(axis=1)) < 6
    return float(np.flatnonzero(blue).mean())


@settings(deadline=None, max_examples=30)
@given(**SIZES, networks=st.integers(1, 4))
def test_the_mean_of_probabilities_equals_the_loop(num_classes: int, images: int, seed: int, networks: int) -> None:
    each = [random_outputs(num_classes, images, seed + number)[0] for number in range(networks)]
    mean = mean_probabilities(each)
    for row in range(images):
        for place in range(num_classes):
            expected = 0.0
            for logits in each:
                powers = [math.exp(value) for value in logits[row].double().tolist()]
                expected += powers[place] / sum(powers) / networks
            assert math.exp(mean[row, place]) == approx(expected)


def test_a_mean_of_certainties_is_a_bin_and_no_infinity() -> None:
    """What is far beyond float's smallest number stays what it is, and a confidence of 1 is in the last bin."""
    sure = torch.tensor([[5000.0, 0.0, 0.0]])
    mean = mean_probabilities([sure] * 3)
    assert mean[0, 1] == approx(-5000.0)
    predictions = collect_predictions([(mean, torch.tensor([0]))])
    assert [part.images for part in calibration_bins(predictions)][-1] == 1
    assert mean_probabilities([sure, torch.tensor([[0.0, 5000.0, 0.0]])])[0, :2].exp().tolist() == approx([0.5, 0.5])
