"""The hours that would decide a row, by hand."""

from __future__ import annotations

from pathlib import Path

from pytest import approx

from studies.comparison.deciding import hours_needed
from studies.results.run_record import Run, Tuning
from studies.statistics.verdict import UNDECIDED, Verdict


def runs(task: str, hours: list[float | None], **facts: object) -> list[Run]:
    return [
        Run(Path("/r"), task, "x", "n", seed, seconds=None if each is None else each * 3600, **facts)
        for seed, each in enumerate(hours)
    ]


def needing(seeds: int | None) -> Verdict:
    return Verdict(UNDECIDED, 1.0, seeds)


def test_training_and_transfer_of_every_further_seed_of_both() -> None:
    row = runs("classification", [10.0, 12.0]) + runs("detection", [2.0, 2.0]) + runs("segmentation", [5.0])
    baseline = runs("classification", [8.0] * 3) + runs("detection", [1.0] * 3)
    # of the row 3 trainings of 11 and 3 transfers of 2, of the baseline 2 of 8 and 2 of 1
    assert hours_needed(needing(5), "voc07_map", row, baseline) == approx(3 * 11 + 3 * 2 + 2 * 8 + 2 * 1)
    assert hours_needed(needing(3), "top1", row, baseline) == approx(11)
    assert hours_needed(needing(3), "miou", row, []) == approx(11 + 2 * 5)  # its training's third, two transfers


def test_a_training_with_several_transfers_is_given_as_many_again() -> None:
    row = runs("classification", [10.0, 10.0])
    for transfer in range(6):
        facts = {"seed": transfer % 2, "sha256": f"b{transfer % 2}"}
        seed = transfer % 2 + 1000 * (transfer // 2)
        row.append(Run(Path("/r"), "detection", "x", "n", seed, seconds=3600.0, backbone=facts))
    assert hours_needed(needing(4), "voc07_map", row, []) == approx(2 * 10 + 2 * 3 * 1)


def test_what_nobody_knows() -> None:
    known = runs("detection", [1.0])
    assert hours_needed(needing(None), "voc07_map", known, known) is None
    assert hours_needed(needing(3), "voc07_map", known, runs("detection", [1.0, None])) is None
    tuned = runs("detection", [None], tuned=Tuning(3, {}))
    assert hours_needed(needing(3), "voc07_map", known + tuned, known) == approx(4)  # tuned runs are another arm
