"""Expected metrics, and the comparison's choice of runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pytest import CaptureFixture, approx, mark, raises
from silent_suites import silent, write_two_classes

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.models import create_classifier
from studies.results.run_tree import read_tree
from studies.suite.comparison import command_words, label_of_baseline, link_runs, names_of_weights, stated_recipes
from studies.suite.definition import Expectation, Import, Suite, SuiteRow
from studies.suite.executors.board import DONE, FAILED, Board
from studies.suite.executors.local import Reporter
from studies.suite.gate.expectations import missed
from studies.suite.planned_run import PlannedRun
from studies.suite.reading import read_suite
from studies.suite.run import Conduct, run_suite
from tools.run_suite import tool_parsers

WITHIN = Expectation("d-smooth", "top1", 45.0, 55.0, "50 ± 5")


@mark.parametrize(
    ("values", "line"),
    [
        ([45.0], None),
        ([55.0], None),
        ([40.0, 60.0], None),  # their mean is 50
        ([44.9], "d-smooth: top1 is 44.90, and should be 50 ± 5"),
        ([60.0, 60.0], "d-smooth: top1 is 60.00 (mean of 2 runs), and should be 50 ± 5"),
        ([], "d-smooth: top1 should be 50 ± 5, and no run of it is finished"),
    ],
)
def test_the_mean_over_runs_must_be_within_the_limits(values: list[float], line: str | None) -> None:
    assert missed([WITHIN], {("d-smooth", "top1"): values, ("other", "top1"): [50.0]}) == ([line] if line else [])


def test_one_limit_is_enough() -> None:
    least = replace(WITHIN, most=None, said="at least 45")
    assert missed([least], {("d-smooth", "top1"): [99.0]}) == []
    assert len(missed([least], {("d-smooth", "top1"): [1.0]})) == 1


SUITE = """
title: Mine
note: Drawings.
baseline: d-smooth
classification: {{data: {data}, options: {{epochs: 1}}}}
rows:
  - {{recipe: d-smooth, network: resnet18_d}}
expected:
  d-smooth: {{top1: {{at-least: 60}}}}
"""


@mark.parametrize(
    ("top1", "code", "line"),
    [
        (64.0, 0, "as expected: all 1 metrics"),
        (50.0, 1, "NOT AS EXPECTED: d-smooth: top1 is 50.00, and should be at least 60"),
        (None, 1, "no run of it is finished"),
    ],
)
def test_a_suite_that_misses_its_mark_fails(
    top1: float | None, code: int, line: str, tmp_path: Path, add_run: Callable[..., Path], capfd: CaptureFixture[str]
) -> None:
    write_two_classes(tmp_path / "data")
    (tmp_path / "mine.yaml").write_text(SUITE.format(data=tmp_path / "data"))

    def execute(runs: list[PlannedRun], board: Board, reporter: Reporter) -> None:
        for run in runs:
            if top1 is not None:
                add_run(run.folder.parent, "classification", "d-smooth", (top1, 90.0), folder=run.folder.name)
            board.all[run.name].state = DONE if top1 is not None else FAILED

    suite = read_suite(tmp_path / "mine.yaml")
    assert run_suite(suite, Conduct(tmp_path / "out", tool_parsers()), execute, silent) == code
    printed = capfd.readouterr().out
    assert line in printed
    if top1 is not None:
        assert str(tmp_path / "out" / "report") in printed
        assert "python tools/compare.py" in printed
        page = (tmp_path / "out" / "report" / "index.html").read_text(encoding="utf-8")
        assert page.index("<h1>Mine</h1>") < page.index("<p>Drawings.</p>")
    else:
        assert "FAILED: d-smooth seed 0 classification" in printed


def test_some_rows_alone_are_compared_with_what_is_done_of_the_others(
    tmp_path: Path, add_run: Callable[..., Path], capfd: CaptureFixture[str]
) -> None:
    write_two_classes(tmp_path / "data")
    text = SUITE.format(data=tmp_path / "data").replace("recipe: d-smooth", "recipe: [d-smooth, d-cosine]")
    (tmp_path / "mine.yaml").write_text(text)
    ran = []

    def execute(runs: list[PlannedRun], board: Board, reporter: Reporter) -> None:
        for run in runs:
            ran.append(run.row)
            add_run(run.folder.parent, "classification", run.row, (64.0, 90.0), folder=run.folder.name)
            board.all[run.name].state = DONE

    for row in ("d-smooth", "d-cosine"):
        conduct = Conduct(tmp_path / "out", tool_parsers(), rows=(row,))
        assert run_suite(read_suite(tmp_path / "mine.yaml"), conduct, execute, silent) == 0
    assert ran == ["d-smooth", "d-cosine"]
    assert "d-smooth" in capfd.readouterr().out.rpartition("python tools/compare.py")[2]
    listed = json.loads((tmp_path / "out" / "suite.json").read_text())["runs"]
    assert [run["row"] for run in listed] == ["d-smooth", "d-cosine"]


def test_the_comparison_sees_the_runs_of_the_suite_and_not_those_of_older_code(
    tmp_path: Path, add_run: Callable[..., Path], planned: Callable[..., PlannedRun]
) -> None:
    group = tmp_path / "runs" / "d-smooth-seed0"
    for number, value in (("old", 10.0), ("new", 20.0)):
        add_run(group, "classification", "d-smooth", (value, 90.0), folder=f"cls-{number}")

    def of(number: str) -> PlannedRun:
        folder = group / f"cls-{number}"
        return replace(planned(number), folder=folder, product=folder / "result.json")

    for number, value in (("old", 10.0), ("new", 20.0), ("old", 10.0)):
        link_runs([of(number)], tmp_path)
        (run,) = read_tree(tmp_path / "compared").finished
        assert run.metrics["top1"] == approx(value)
    link_runs([replace(of("new"), compared=False)], tmp_path)
    with raises(Exception, match="no finished run"):
        read_tree(tmp_path / "compared")
    assert sorted(os.listdir(group)) == ["cls-new", "cls-old"]  # nothing has been moved


def test_public_weights_with_the_name_of_a_row_of_the_paper_stand_beside_it(tmp_path: Path) -> None:
    weights = Import("timm:resnet50d")
    rows = (
        SuiteRow("d-mixup", source=weights),
        SuiteRow("b-smooth", source=weights),
        SuiteRow("d-smooth", recipe="d-smooth"),
    )
    suite = Suite(tmp_path / "suite.yaml", (0, 1), (*rows, SuiteRow("d-cosine", source=weights)), (), {}, (), None, 1)
    runs = []
    for row in rows:
        for seed in suite.seeds:
            folder = tmp_path / f"{row.name}-seed{seed}"
            folder.mkdir()
            (folder / "run.json").write_text(
                json.dumps({"recipe": "timm:resnet50d.gluon" if row.source else row.recipe})
            )
            runs.append(PlannedRun("", row.name, "detection", seed, (), folder, folder / "result.json", folder / "log"))
    waiting = tmp_path / "none"
    runs.append(PlannedRun("", "d-cosine", "detection", 0, (), waiting, waiting / "result.json", waiting / "log"))
    assert stated_recipes(runs, suite) == ["timm:resnet50d.gluon=d-mixup"]


def test_the_baseline_may_be_named_by_its_row_whatever_its_weights_are_called(tmp_path: Path) -> None:
    path = tmp_path / "lite.safetensors"
    write_bundle(path, create_classifier("resnet18_d", 2), "resnet18_d", imagenet_contract(32), {"recipe": "timm:lite"})
    bundle = SuiteRow("lite", source=Import(str(path), finished=True))
    to_import = SuiteRow("big", source=Import("timm:resnet50d"))
    rows = (bundle, to_import, SuiteRow("d-smooth", recipe="d-smooth"))
    suite = Suite(tmp_path / "suite.yaml", (0,), rows, (), {}, (), None, 1)

    def label(baseline: str | None, runs: Sequence[PlannedRun] = ()) -> str | None:
        return label_of_baseline(runs, replace(suite, baseline=baseline))

    assert [label(name) for name in ("lite", "big", "d-smooth", "timm:lite", None)] == [
        "timm:lite",
        "timm:resnet50d",
        "d-smooth",
        "timm:lite",
        None,
    ]
    folder = tmp_path / "big-seed0"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"recipe": "timm:resnet50d.a1"}))
    begun = PlannedRun("", "big", "detection", 0, (), folder, folder / "result.json", folder / "log")
    assert label("big", [begun]) == "timm:resnet50d.a1"


def test_weights_from_elsewhere_are_called_as_the_suite_calls_them(tmp_path: Path) -> None:
    rows = (
        SuiteRow("ours", source=Import("timm:resnet18d")),
        SuiteRow("d-mixup", source=Import("timm:resnet50d")),
        SuiteRow("mine", recipe="d-smooth"),
    )
    suite = Suite(tmp_path / "suite.yaml", (0,), rows, (), {}, (), None, 1)
    runs = []
    for row in rows:
        folder = tmp_path / f"{row.name}-seed0"
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"recipe": f"timm:{row.name}"}))
        runs.append(PlannedRun("", row.name, "detection", 0, (), folder, folder / "result.json", folder / "log"))
    assert names_of_weights(runs, suite) == {"timm:ours": "ours"}
    words = command_words(runs, tmp_path, suite)
    assert words[words.index("--call") + 1] == "timm:ours=ours"
    assert words.count("--call") == 1
