"""Several transfers per training: what is averaged, what is counted, and what is still refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from pytest import approx, fixture, raises
from scipy import stats

from backbones.errors import UserError
from studies.comparison.cells import Cell, values_by_seed
from studies.comparison.compare import Comparison, compare_runs
from studies.report.forms.text import as_text
from studies.results.run_record import TUNED, Run
from studies.results.units import group_by_unit, single_backbone
from studies.statistics.seeds import student_interval

AddTransfer = Callable[..., Path]


@fixture
def add_transfer(tmp_path: Path, add_run: Callable[..., Path]) -> AddTransfer:
    """Writes the run folder of a detector on the backbone of a training."""

    def add(
        recipe: str, training: int | None, seed: int, value: float, sha256: str | None = None, **extra: object
    ) -> Path:
        backbone = {"sha256": sha256 or f"{recipe}-{training}", "seed": training}
        name = f"{recipe}-{training}-{seed}-{len(extra)}"
        return add_run(tmp_path, "detection", recipe, (value, value), seed, folder=name, backbone=backbone, **extra)

    return add


def cell(comparison: Comparison, name: str, metric: str = "voc07_map") -> Cell:
    return next(row for row in comparison.rows if row.name == name).cells[metric]


VALUES: Mapping[int, tuple[float, ...]] = {0: (30.0, 31.0, 35.0), 1: (40.0, 41.0, 45.0), 2: (10.0, 17.0, 18.0)}
MEANS = (32.0, 42.0, 15.0)


def test_transfers_of_a_training_are_one_value(tmp_path: Path, add_transfer: AddTransfer) -> None:
    for training, values in VALUES.items():
        for number, value in enumerate(values):
            add_transfer("b-standard", training, training + 1000 * number, value)
    comparison = compare_runs(tmp_path)
    found = cell(comparison, "b-standard")
    assert (found.seeds, found.values) == ((0, 1, 2), approx(MEANS))
    assert found.interval == approx(student_interval(MEANS))  # and not one over nine values
    (note,) = [note for note in comparison.notes if note.startswith("Several transfers")]
    assert note.startswith("Several transfers of each training: b-standard. The mean over the transfers")
    assert "random" not in note
    assert "n counts trainings" in " ".join(as_text(comparison).split())
    assert not any("One trained backbone each" in note for note in comparison.notes)


def test_an_interval_over_trainings_covers_the_truth_and_one_over_transfers_does_not() -> None:
    """Three transfers of each of three trainings (sd 0.3 and 0.2) are not nine observations."""
    generator = np.random.default_rng(0)
    trials, covered, pretended = 1000, 0, 0
    for _ in range(trials):
        trainings = 50 + generator.normal(0, 0.3, 3)
        runs = [
            Run(
                Path(f"{training}/{number}"),
                "detection",
                "d-smooth",
                "resnet18_d",
                seed=training + 1000 * number,
                metrics={"voc07_map": mean + generator.normal(0, 0.2)},
                backbone={"sha256": str(training), "seed": training},
            )
            for training, mean in enumerate(trainings)
            for number in range(3)
        ]
        low, high = student_interval(list(values_by_seed(runs, "voc07_map").values()))
        covered += low <= 50 <= high
        low, high = student_interval([run.metrics["voc07_map"] for run in runs])
        pretended += low <= 50 <= high
    least, most = stats.binom.interval(1 - 1e-6, trials, 0.95)
    assert least <= covered <= most
    assert pretended < 0.85 * trials


def test_rows_are_paired_by_training(tmp_path: Path, add_transfer: AddTransfer) -> None:
    """The other row has one transfer per training, with seeds in another order."""
    for training, values in VALUES.items():
        for number, value in enumerate(values):
            add_transfer("b-standard", training, training + 1000 * number, value)
        add_transfer("d-smooth", training, 9 - training, MEANS[training] + 2)
    comparison = compare_runs(tmp_path)
    difference = cell(comparison, "d-smooth").difference
    assert (difference.pairs, difference.value, difference.spread[2]) == (3, approx(2.0), approx(0.0, abs=1e-9))
    assert cell(comparison, "d-smooth").seeds == (0, 1, 2)


def test_the_same_seed_on_different_trainings_is_no_duplicate(tmp_path: Path, add_transfer: AddTransfer) -> None:
    for training in (0, 1):
        for seed in (0, 1, 2):
            add_transfer("b-standard", training, seed, 10.0 * training + seed)
    assert cell(compare_runs(tmp_path), "b-standard").values == approx((1.0, 11.0))


def test_the_same_seed_on_the_same_training_is(tmp_path: Path, add_transfer: AddTransfer) -> None:
    add_transfer("b-standard", 0, 0, 30.0)
    add_transfer("b-standard", 1, 0, 30.0)
    add_transfer("b-standard", None, 0, 30.0, sha256="b-standard-1")  # its seed was not noted
    with raises(UserError, match=r"b-standard-1-0-0.* and .*b-standard-None-0-0.* are both detection .* with seed 0"):
        compare_runs(tmp_path)


def test_a_run_that_does_not_say_what_it_transferred_may_be_a_duplicate(
    tmp_path: Path, add_transfer: AddTransfer, add_run: Callable[..., Path]
) -> None:
    add_transfer("b-standard", 1, 0, 30.0)
    add_run(tmp_path, "detection", "b-standard", (30, 30))
    with raises(UserError, match="are both detection of b-standard"):
        compare_runs(tmp_path)


def test_another_backbone_of_the_same_training_seed_is_refused(tmp_path: Path, add_transfer: AddTransfer) -> None:
    add_transfer("b-standard", 0, 0, 30.0, sha256="a" * 64)
    add_transfer("b-standard", 0, 1000, 30.0, sha256="b" * 64)
    with raises(UserError, match="different backbones"):
        compare_runs(tmp_path)


def test_of_one_backbone_each_transfer_counts_and_the_notes_say_so(tmp_path: Path, add_transfer: AddTransfer) -> None:
    for seed, value in enumerate((30.0, 31.0, 35.0)):
        add_transfer("b-standard", 4, 1000 * seed, value)
    comparison = compare_runs(tmp_path)
    assert cell(comparison, "b-standard").seeds == (0, 1000, 2000)
    assert cell(comparison, "b-standard").values == (30.0, 31.0, 35.0)
    assert any(note.startswith("One trained backbone each: b-standard.") for note in comparison.notes)
    assert not any(note.startswith("Several transfers") for note in comparison.notes)


def test_one_backbone_in_one_task_and_two_in_the_other_are_two_trainings(
    tmp_path: Path, add_transfer: AddTransfer, add_run: Callable[..., Path]
) -> None:
    for seed in (0, 1, 2):
        add_transfer("b-standard", 0, seed, 30.0 + seed)
    other = {"sha256": "other", "seed": 1}
    add_run(tmp_path, "segmentation", "b-standard", (50, 40), 1, backbone=other)
    found = cell(compare_runs(tmp_path), "b-standard")
    assert (found.seeds, found.values) == ((0,), (31.0,))


def test_each_random_trunk_counts(tmp_path: Path, add_transfer: AddTransfer, add_run: Callable[..., Path]) -> None:
    """As the tools record them: without a checksum, and with the seed that the trunk was drawn from."""
    for training in (0, 1):
        for number in (0, 1):
            seed = training + 1000 * number
            add_transfer("b-standard", training, seed, 30.0 + number)
            backbone = {"path": "random:resnet18_d", "seed": seed}
            add_run(tmp_path, "detection", "random", (float(training + number), 1.0), seed, backbone=backbone)
    comparison = compare_runs(tmp_path)
    assert cell(comparison, "random").seeds == (0, 1, 1000, 1001)
    assert cell(comparison, "random").values == (0.0, 1.0, 1.0, 2.0)
    assert cell(comparison, "b-standard").seeds == (0, 1)
    (note,) = [note for note in comparison.notes if note.startswith("Several transfers")]
    assert note.endswith("A random trunk is drawn anew for each transfer, so there n counts transfers.")


def test_top1_and_transfers_have_the_same_units(
    tmp_path: Path, add_transfer: AddTransfer, add_run: Callable[..., Path]
) -> None:
    for training in (0, 1):
        add_run(tmp_path, "classification", "b-standard", (60.0 + training, 90.0), training)
        for number in (0, 1):
            add_transfer("b-standard", training, training + 1000 * number, 30.0)
    comparison = compare_runs(tmp_path)
    assert cell(comparison, "b-standard", "top1").seeds == cell(comparison, "b-standard").seeds == (0, 1)
    assert not any("NOT ALIKE" in note for note in comparison.notes)


def test_tuned_transfers_are_averaged_among_themselves(tmp_path: Path, add_transfer: AddTransfer) -> None:
    tuned = {"tuned": {"search": 3, "changed": {}}, "fixed_hash": "f"}
    for training in (0, 1):
        for number in (0, 1):
            seed = training + 1000 * number
            add_transfer("b-standard", training, seed, 30.0 + 10 * training + number, fixed_hash="f")
            add_transfer("b-standard", training, seed, 50.0 + 10 * training + number, **tuned)
    tree = compare_runs(tmp_path).tree
    assert values_by_seed(tree.finished, "voc07_map") == {0: 30.5, 1: 40.5}
    assert values_by_seed(tree.finished, "voc07_map", TUNED) == {0: 50.5, 1: 60.5}


def test_a_seed_that_nobody_noted_comes_last() -> None:
    def run(training: int | None) -> Run:
        backbone = {"sha256": str(training), "seed": training}
        return Run(Path(str(training)), "detection", "mine", "resnet18_d", 0, backbone=backbone)

    runs = [run(None), run(3), run(1)]
    assert not single_backbone(runs)
    assert list(group_by_unit(runs, runs)) == [1, 3, None]
