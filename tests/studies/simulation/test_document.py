"""docs/simulations.{json,md}: the document is made from the numbers, and what is said of them holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pytest import approx, fixture, raises
from scipy import stats

from backbones.errors import UserError
from backbones.files import read_json
from studies.simulation.document import share, simulation_document
from studies.simulation.files import SimulationEffort, document_again, simulate_to_files
from studies.simulation.found import found_shares
from studies.simulation.spending.designs import ENOUGH, Design
from studies.simulation.spending.hours import hours_of
from studies.suite.costs.estimate import Estimator
from studies.suite.definition import Suite
from studies.suite.planning import plan_runs
from studies.suite.reading import read_suite
from tools.run_suite import tool_parsers
from transfer.catalogue import DETECTION, SEGMENTATION

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"


@fixture(scope="module")
def result() -> dict[str, Any]:
    return read_json(DOCS / "simulations.json")


def test_the_document_is_made_from_the_numbers(result: dict[str, Any]) -> None:
    text = (DOCS / "simulations.md").read_text(encoding="utf-8")
    assert text == simulation_document(result, "simulations.json")
    assert "{{" not in text
    assert result["command"] == "python tools/simulate_statistics.py"  # the whole, and not the quick one


def test_numbers_are_those_that_the_simulation_gives_again(result: dict[str, Any]) -> None:
    line = next(line for line in result["power"] if (line["correlation"], line["seeds"]) == (0, 3))
    again = found_shares("miou", 0.3, 3, 0.0, result["effort"]["studies"], 5)
    assert line["rules"]["shipped"]["miou"] == approx(again)


def test_what_is_said_of_errors_and_of_pairing(result: dict[str, Any]) -> None:
    for line in result["errors"]:
        assert line["rules"]["shipped"]["claims"] <= 0.05
        assert line["rules"]["shipped"]["covered"] >= 0.945
        assert line["rules"]["paired"]["covered"] == approx(0.95, abs=0.005)
    independent = [line["rules"] for line in result["equal precision"] if line["correlation"] == 0]
    assert all(rules["Welch"] > rules["paired"] for rules in independent)
    below = [line for line in result["power"] if line["seeds"] < 5 and line["correlation"] == 0]
    for line in below:
        for metric, found in line["rules"]["shipped"].items():
            assert np.mean(found) > np.mean(line["rules"]["paired"][metric])


def test_what_is_said_of_images_and_of_nested_rows(result: dict[str, Any]) -> None:
    least = stats.binom.ppf(0.01, result["effort"]["test_sets"], 0.95) / result["effort"]["test_sets"]
    for line in result["images"]:
        assert line["covered"][1] < least
        assert min(line["difference covered"]) >= least
    assert result["nested"]["independent"] == approx(0.05, abs=0.01)
    assert result["nested"]["nested"] > 0.1


def test_what_is_said_of_designs(result: dict[str, Any]) -> None:
    designs = result["designs"]
    by_plan = {(line["trainings"], line["detection"]): line for line in designs["candidates"]}
    assert by_plan[1, 5]["claims"] > 0.15
    assert by_plan[2, 5]["decided"][0] < 0.3
    assert by_plan[4, 1]["decided"][0] > by_plan[3, 3]["decided"][0]
    assert by_plan[4, 1]["hours"] < by_plan[3, 3]["hours"]
    (small, large), (first, second) = map(int, designs["best"]), designs["best"].values()
    assert (small, large) == (round(by_plan[3, 1]["hours"]), round(by_plan[3, 3]["hours"]))
    assert design(first[0]) == Design(3, 3, 1, 1)
    assert second[0]["decided"][0] > by_plan[3, 3]["decided"][0]
    for line in (*first, *second):
        assert line["claims"] <= 0.05
        assert line["hours"] <= (small if line in first else large) + 1
    (chosen,) = designs["chosen"]
    assert small < chosen["hours"] < large
    assert chosen["decided"][0] >= ENOUGH
    gains = np.diff([line["decided"][0] for line in designs["detection alone"]])
    assert gains[0] > 0.01 > gains[1]


def design(line: dict[str, Any]) -> Design:
    return Design(line["trainings"], line["baseline"], line["detection"], line["segmentation"])


def shipped(name: str) -> Suite:
    return read_suite(ROOT / "suites" / f"{name}.yaml")


def design_of(suite: Suite) -> Design:
    baseline, *rows = suite.rows
    assert all(row.seeds is None and row.transfers_per_training is None for row in rows)
    transfers = [
        suite.tasks[task].transfers_per_training if task in suite.tasks else 0 for task in (DETECTION, SEGMENTATION)
    ]
    return Design(len(suite.seeds), len(baseline.seeds), *transfers)


def test_the_shipped_suites_are_the_designs_that_are_argued_for(result: dict[str, Any]) -> None:
    (chosen,) = result["designs"]["chosen"]
    assert design_of(shipped("section6")) == design(chosen)
    assert design_of(shipped("section6-fpn")) == Design(chosen["trainings"], chosen["baseline"], 2, 0)
    assert len(shipped("imported").seeds) == 4


def test_a_design_takes_the_hours_of_the_shipped_plan(result: dict[str, Any]) -> None:
    parsers = tool_parsers()
    for name, stated in (("section6", "both"), ("section6-fpn", "detection alone")):
        suite, hours = shipped(name), hours_of(name, parsers)
        estimator = Estimator(Path("no-runs"), gpu=True)
        whole = sum(estimator.of(run).hours for run in plan_runs(suite, Path("no-runs"), parsers))
        assert hours.of(design_of(suite)) == approx(whole)
        found = result["designs"]["hours"][stated]
        assert (found["teachers"], found["rows"], found["baseline"]) == (
            approx(hours.teachers),
            approx(dict(hours.rows)),
            approx(dict(hours.baseline)),
        )


def test_the_figures_in_the_statistics_are_simulated_ones(result: dict[str, Any]) -> None:
    """Every share to two or three decimals that the document on statistics takes from the simulations."""
    text = " ".join((DOCS / "statistics.md").read_text(encoding="utf-8").split())
    power = next(line["rules"] for line in result["power"] if (line["correlation"], line["seeds"]) == (0, 3))
    welch, paired = (share(float(np.mean(power[rule]["miou"]))) for rule in ("Welch", "paired"))
    errors = next(line["rules"] for line in result["errors"] if (line["correlation"], line["seeds"]) == (0, 8))
    best = share(errors["shipped"]["best covered, plain"])
    small, large = (share(line["covered"][1]) for line in result["images"])
    right = [line["decided"] for line in result["planned"] if line["true"] == 1]
    (wrong,) = [line["decided"] for line in result["planned"] if line["true"] != 1 and line["plan"] != "as seen"]
    assert f"three seeds find {welch} on average with Welch's test and {paired} paired" in text
    assert f"with eight seeds it holds the truth in {best} of studies" in text
    assert f"in {small} of cases with 200 test images, and in {large} with 2,000" in text
    assert f"in {share(min(right))} to {share(max(right))} of cases" in text
    assert f"a plan for the paper's was right in only {share(wrong)}" in text
    assert f"at most 0.05 in {share(result['nested']['nested'])} of studies" in text


def test_everything_is_simulated_and_written_and_written_again(tmp_path: Path) -> None:
    tiny = SimulationEffort(studies=50, designs=20, planned=1, nested=20, test_sets=1, further_test_sets=1)
    document = simulate_to_files(tmp_path / "new", tiny, "python x.py", tool_parsers())
    text = document.read_text(encoding="utf-8")
    assert "{{" not in text
    assert "python x.py" in text
    document.unlink()
    assert document_again(tmp_path / "new").read_text(encoding="utf-8") == text
    assert json.loads((tmp_path / "new" / "simulations.json").read_text())["effort"]["studies"] == 50


def test_other_numbers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "simulations.json").write_text('{"format": 0}')
    with raises(UserError, match=r"simulations\.json is no result of tools/simulate_statistics\.py in format 1"):
        document_again(tmp_path)
