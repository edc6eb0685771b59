"""Ratios, aims, and what is written about them."""

from __future__ import annotations

import json

from pytest import approx

from benchmarks.harness.document import describe
from benchmarks.harness.findings import Aim, Findings, Ratio, compare, findings_from_json
from benchmarks.harness.interleaved import take_turns

SECONDS = {"slow": [2.0, 4.0, 8.0], "fast": [1.0, 1.0, 2.0]}


def test_a_ratio_is_the_median_over_rounds_and_not_of_medians() -> None:
    comparison = compare("files", "images/s", 10, SECONDS)
    assert comparison.reference == "slow"
    assert comparison.rates["slow"] == [5.0, 2.5, 1.25]
    assert comparison.ratio("fast", "slow") == Ratio(4.0, 2.0, 4.0)
    assert comparison.ratio("slow", "fast") == Ratio(0.25, 0.25, 0.5)


def test_aims_are_judged_by_the_median() -> None:
    aims = (Aim("fast", "slow", 4.0), Aim("fast", "slow", 4.1))
    text = describe(Findings((compare("files", "images/s", 10, SECONDS, aims),)))
    assert "4.00 (2.00 to 4.00); aim 4, reached." in text
    assert "4.00 (2.00 to 4.00); aim 4.1, **not reached**." in text


def test_findings_survive_json() -> None:
    aims = (Aim("fast", "slow", 3.0),)
    found = Findings((compare("files", "images/s", 10, SECONDS, aims),), {"start": {"seconds": 0.25}})
    content = json.loads(json.dumps(found.as_json()))
    assert findings_from_json(content) == found
    assert content["comparisons"][0]["ratios"]["fast"] == {"median": 4.0, "lowest": 2.0, "highest": 4.0}


def test_figures_are_a_table_with_gaps() -> None:
    figures = {"listing": {"10 images": 0.5, "20 images": 1234.0}, "memory": {"20 images": 3.0}}
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in describe(Findings(figures=figures)).splitlines()
    ]
    assert rows[0] == ["", "10 images", "20 images"]
    assert rows[2:] == [["listing", "0.5", "1,234"], ["memory", "", "3"]]


def test_contenders_work_in_turn_after_one_turn_to_warm_up() -> None:
    worked: list[str] = []
    times = iter(range(0, 1000, 3))
    contenders = {name: lambda name=name: worked.append(name) for name in ("A", "B")}
    seconds = take_turns(contenders, 2, clock=lambda: next(times))
    assert worked == ["A", "B"] * 3
    assert seconds == {"A": [3, 3], "B": [3, 3]}


def test_the_default_clock_does_not_count_waiting() -> None:
    import time

    seconds = take_turns({"waits": lambda: time.sleep(0.2)}, 1)
    assert seconds["waits"] == [approx(0, abs=0.1)]
