"""The tuned arm of the comparison: beside the fixed one, never mixed with it, and only where nothing else differs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.errors import UserError
from studies.comparison.cells import Cell, make_cell, values_by_seed
from studies.comparison.compare import Comparison, compare_runs
from studies.comparison.judging import judge_and_plan
from studies.comparison.tuned_arm import TunedRow, tuned_tasks
from studies.report.forms.csv_lines import ARM_FIELDS, CSV_FIELDS, as_csv
from studies.report.forms.text import as_json, as_markdown, as_text
from studies.results.run_record import Run, Tuning

FIXED_HASH = "0f0f0f0f0f0f"
AddRun = Callable[..., Path]


@pytest.fixture
def add_tuned(add_run: AddRun) -> AddRun:
    """Writes the folder of a tuned run, by default of detection with a learning rate out of five."""

    def add(
        root: Path,
        recipe: str,
        values: tuple[float, float] | None,
        seed: int = 0,
        task: str = "detection",
        search: Any = 5,
        changed: Any = None,
        **extra: Any,
    ) -> Path:
        changed = {"optim_wrapper.optimizer.lr": "0.02"} if changed is None else changed
        asked = {
            "folder": f"{recipe}-{task}-tuned-{seed}",
            "config_hash": f"c{recipe:.5}{seed}",  # every tuned run has one of its own
            "fixed_hash": FIXED_HASH,
            "tuned": {"search": search, "changed": changed},
        }
        return add_run(root, task, recipe, values, seed, **{**asked, **extra})

    return add


@pytest.fixture
def both_arms(tmp_path: Path, add_run: AddRun, add_tuned: AddRun) -> Path:
    """Detection: fixed runs of three recipes with seeds 0 and 1, tuned ones of the first two, over 5 each."""
    for seed in (0, 1):
        for recipe, fixed, tuned in (
            ("b-standard", 30.0, 34.0),
            ("d-smooth", 33.0, 36.0 + seed),
            ("random", 9.0, None),
        ):
            add_run(tmp_path, "detection", recipe, (fixed + seed, 50), seed, fixed_hash=FIXED_HASH)
            if tuned is not None:
                add_tuned(tmp_path, recipe, (tuned + seed, 60), seed)
    return tmp_path


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def tuned_row(comparison: Comparison, name: str, task: str = "detection") -> TunedRow:
    section = next(section for section in comparison.tuned if section.task == task)
    return next(row for row in section.rows if row.name == name)


def tuned_cell(comparison: Comparison, name: str) -> Cell:
    return tuned_row(comparison, name).cells["voc07_map"]


def fixed_cells(comparison: Comparison) -> dict[tuple[str, str], Cell]:
    return {(row.name, metric): cell for row in comparison.rows for metric, cell in row.cells.items()}


def noted(root: Path, start: str) -> list[str]:
    return [note for note in compare_runs(root).notes if note.startswith(start)]


def refused(root: Path, *fragments: str) -> str:
    with pytest.raises(UserError) as caught:
        compare_runs(root)
    message = str(caught.value)
    assert all(fragment in message for fragment in fragments), message
    assert "\n" not in message
    return message


ONE_SEED = """\
row         top-1      Δ  mAP 07       Δ  mAP area       Δ   mIoU       Δ  pixAcc       Δ
-----------------------------------------------------------------------------------------
random          –      –   12.25  -17.75     11.00  -20.00  20.00  -22.50   55.00  -15.00
b-standard  61.50   base   30.00    base     31.00    base  42.50    base   70.00    base
  paper     76.14      –   77.54       –         –       –  37.05       –   78.08       –
d-smooth    64.00  +2.50   33.50   +3.50     34.00   +3.00  41.00   -1.50   71.25   +1.25
  paper     78.34  +2.20   80.71   +3.17         –       –  38.75   +1.70   78.64   +0.56
-----------------------------------------------------------------------------------------
Δ: difference from the row "b-standard" in points: of the two means, and from 5 seeds in common on the mean over the
  seeds of both.
n=1, no interval: one seed per row does not tell a difference from noise.
"""  # noqa: RUF001


# --- what is shown ---


def test_the_arms_are_apart_and_paired_by_seed(both_arms: Path) -> None:
    comparison = compare_runs(both_arms)
    fixed, tuned = fixed_cells(comparison)["d-smooth", "voc07_map"], tuned_cell(comparison, "d-smooth")
    assert (fixed.values, fixed.difference.value) == ((33.0, 34.0), 3.0)
    # 36 - 34 at seed 0 and 38 - 35 at seed 1
    assert (tuned.values, tuned.difference.value, tuned.difference.pairs) == ((36.0, 38.0), 2.5, 2)
    assert tuned_cell(comparison, "b-standard").difference is None
    absent = tuned_row(comparison, "random")
    assert (absent.runs, absent.searches, absent.cells["voc07_map"].mean) == ((), (), None)


def test_text_has_a_section_with_the_size_of_the_search(both_arms: Path) -> None:
    lines = as_text(compare_runs(both_arms)).splitlines()
    start = lines.index("detection, tuned: best of 5")
    fixed, section = lines[:start], lines[start + 2 :]
    assert section[0].split() == ["row", "best", "of", "mAP", "07", "Δ", "mAP", "area", "Δ"]
    assert len(section[1].strip("-")) == 0
    assert section[2].split() == ["random", *["–"] * 5]  # noqa: RUF001
    assert section[4].split() == ["b-standard", "5", "34.50", "base", "60.00", "base"]
    smooth = next(index for index, line in enumerate(section) if line.startswith("d-smooth"))
    assert section[smooth].split() == ["d-smooth", "5", "37.00", "+2.50", "60.00", "+0.00"]
    end = next(index for index, line in enumerate(section) if index > 1 and not line.strip("-"))
    assert not any("paper" in line for line in section[:end])
    assert any(line.startswith("  paper") for line in fixed)
    assert max(map(len, lines)) <= 120


def test_markdown_has_a_regular_table_of_its_own(both_arms: Path) -> None:
    parts = as_markdown(compare_runs(both_arms)).split("\n## ")
    assert [part.splitlines()[0] for part in parts[-2:]] == ["Detection, tuned: best of 5", "Notes"]
    table = [line for line in parts[-2].splitlines() if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    assert len({line.count("|") for line in table}) == 1
    assert "37.00 | +2.50" in next(line for line in table if "d-smooth" in line)
    assert "paper" not in parts[-2]


def test_csv_names_the_arm(both_arms: Path) -> None:
    records = list(csv.DictReader(io.StringIO(as_csv(compare_runs(both_arms)))))
    assert tuple(records[0]) == (*CSV_FIELDS, *ARM_FIELDS)
    assert [entry["arm"] for entry in records] == ["fixed"] * 3 * 5 + ["tuned"] * 3 * 2
    found = {(entry["row"], entry["metric"], entry["arm"]): entry for entry in records}
    tuned = found["d-smooth", "voc07_map", "tuned"]
    assert (tuned["search"], tuned["mean"], tuned["difference"]) == ("5", "37.0", "2.5")
    assert (tuned["paper"], tuned["paper_table"], tuned["paper_network"]) == ("", "", "")
    fixed = found["d-smooth", "voc07_map", "fixed"]
    assert (fixed["search"], fixed["mean"], fixed["paper"]) == ("", "33.5", "80.71")
    absent = found["random", "voc_map", "tuned"]
    assert (absent["search"], absent["mean"], absent["n"]) == ("", "", "0")


def test_json_has_every_choice(both_arms: Path) -> None:
    document = json.loads(json.dumps(as_json(compare_runs(both_arms)), allow_nan=False))
    (section,) = document["tuned"]
    smooth = next(row for row in section["rows"] if row["name"] == "d-smooth")
    assert section["task"] == "detection"
    assert (smooth["searches"], smooth["cells"]["voc07_map"]["values"]) == ([5], [36, 38])
    assert smooth["chosen"] == {str(seed): {"optim_wrapper.optimizer.lr": "0.02"} for seed in (0, 1)}
    assert smooth["runs"] == [f"d-smooth-detection-tuned-{seed}/result.json" for seed in (0, 1)]
    assert smooth["cells"].keys() == {"voc07_map", "voc_map"}
    assert all(cell["paper"] is None for cell in smooth["cells"].values())
    fixed = next(row for row in document["rows"] if row["name"] == "d-smooth")
    assert not any("tuned" in path for path in fixed["runs"])


def test_without_tuned_runs_nothing_speaks_of_them(one_seed: Path) -> None:
    comparison = compare_runs(one_seed)
    assert comparison.tuned == ()
    assert f"\n{ONE_SEED}" in as_text(comparison)  # as it was before there was a tuned arm
    assert "tuned" not in as_text(comparison) + as_markdown(comparison) + json.dumps(as_json(comparison))
    assert as_csv(comparison).splitlines()[0] == ",".join(CSV_FIELDS)
    assert "## Notes" not in as_markdown(comparison)


def test_tuned_runs_leave_the_fixed_arm_as_it_is(one_seed: Path, add_tuned: AddRun) -> None:
    before = compare_runs(one_seed)
    for task in ("detection", "segmentation"):
        for recipe in ("b-standard", "d-smooth"):
            add_tuned(one_seed, recipe, (77, 78), task=task)
    after = compare_runs(one_seed)
    assert after.rows == before.rows
    assert [section.task for section in after.tuned] == ["detection", "segmentation"]
    assert set(before.notes) < set(after.notes)
    table = as_text(before).partition("Δ:")[0]
    assert as_text(after).startswith(table)
    short = [line.removesuffix(",fixed,") for line in as_csv(after).splitlines() if line.endswith(",fixed,")]
    assert short == as_csv(before).splitlines()[1:]


def test_a_task_with_tuned_runs_only(tmp_path: Path, add_tuned: AddRun) -> None:
    for recipe, value in (("b-standard", 50), ("d-smooth", 52)):
        add_tuned(tmp_path, recipe, (value, value), backbone={"sha256": recipe, "seed": 0, "top1": 10.0 + value})
    comparison = compare_runs(tmp_path)
    assert tuned_cell(comparison, "d-smooth").difference.value == 2
    fixed = fixed_cells(comparison)
    assert fixed["d-smooth", "voc07_map"].mean is None
    assert fixed["d-smooth", "top1"].mean == 62  # the backbone's own, however it was transferred


@settings(deadline=None)  # it searches for seeds that would decide
@given(st.dictionaries(st.integers(0, 9), st.tuples(*[st.floats(0, 100)] * 2), min_size=1, max_size=5))
def test_tuned_differences_are_those_of_the_same_runs_unmarked(values: dict[int, tuple[float, float]]) -> None:
    """What the tuned arm shows is what the fixed one would, were the same results found there."""

    def runs(column: int, tuned: Tuning | None) -> list[Run]:
        return [
            Run(Path(f"/r/{seed}"), "detection", "x", "n", seed, {"voc07_map": pair[column]}, tuned=tuned)
            for seed, pair in values.items()
        ]

    cell = make_cell(*(values_by_seed(runs(column, None), "voc07_map") for column in (1, 0)))
    (unmarked,) = judge_and_plan([{"voc07_map": cell}], {0: 1})
    marked = {name: runs(column, Tuning(3, {})) + runs(1 - column, None) for column, name in enumerate(("base", "row"))}
    (section,) = tuned_tasks(marked, "base", Path("/r"), {}, {"base": 0, "row": 1})
    assert section.rows[1].cells == {**section.rows[1].cells, **unmarked}


# --- what is told ---


def test_selection_on_the_evaluation_images_is_told(both_arms: Path) -> None:
    (note,) = noted(both_arms, "tuned:")
    assert "best of N" in note
    assert "Unless the choice was made on other images, it was made on the evaluation images" in note
    assert "no interval covers that" in note
    assert noted(both_arms, "detection, tuned to:") == [
        "detection, tuned to: b-standard: optim_wrapper.optimizer.lr=0.02; d-smooth: optim_wrapper.optimizer.lr=0.02."
    ]
    for shown in (as_text, as_markdown):
        assert "evaluation images" in " ".join(shown(compare_runs(both_arms)).split())
    assert any("evaluation images" in note for note in as_json(compare_runs(both_arms))["notes"])


def test_equal_searches_are_no_warning_and_unequal_ones_are_the_first_note(both_arms: Path) -> None:
    assert noted(both_arms, "NOT ALIKE") == []
    for seed in (0, 1):
        edit(both_arms / f"d-smooth-detection-tuned-{seed}" / "result.json", tuned={"search": 20, "changed": {}})
    comparison = compare_runs(both_arms)
    assert comparison.notes[0].startswith("NOT ALIKE, tuning: detection best of 5 (b-standard), 20 (d-smooth). ")
    assert "detection, tuned: best of 5 to 20" in as_text(comparison)
    assert [tuned_row(comparison, name).searches for name in ("b-standard", "d-smooth")] == [(5,), (20,)]


def test_unequal_searches_within_a_row(both_arms: Path) -> None:
    edit(
        both_arms / "d-smooth-detection-tuned-1" / "result.json",
        tuned={"search": 9, "changed": {"param_scheduler": "[]"}},
    )
    assert "5 (b-standard, d-smooth), 9 (d-smooth)" in noted(both_arms, "NOT ALIKE")[0]
    (chosen,) = noted(both_arms, "detection, tuned to:")
    assert "d-smooth: optim_wrapper.optimizer.lr=0.02 (seed 0), param_scheduler=[] (seed 1)" in chosen
    line = next(
        line for line in reversed(as_text(compare_runs(both_arms)).splitlines()) if line.startswith("d-smooth ")
    )
    assert line.split()[1:3] == ["5,", "9"]


def test_a_baseline_without_tuned_runs(tmp_path: Path, add_run: AddRun, add_tuned: AddRun) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 50), fixed_hash=FIXED_HASH)
    add_tuned(tmp_path, "d-smooth", (52, 52), changed={})
    assert tuned_cell(compare_runs(tmp_path), "d-smooth").difference is None
    assert noted(tmp_path, "detection, tuned: no runs") == [
        'detection, tuned: no runs of the row "b-standard", so no Δ.'
    ]
    assert noted(tmp_path, "detection, tuned to:") == ["detection, tuned to: d-smooth: what its file has."]


def test_older_fixed_runs_are_compared_and_named_unchecked(both_arms: Path) -> None:
    assert noted(both_arms, "NOT CHECKED") == []
    for path in both_arms.glob("*-resnet18_d-*/result.json"):
        content = json.loads(path.read_text())
        del content["fixed_hash"]
        path.write_text(json.dumps(content))
    assert "record no fixed_hash" in noted(both_arms, "NOT CHECKED")[0]
    edit(both_arms / "random-resnet18_d-detection-0" / "result.json", fixed_hash=FIXED_HASH)
    assert noted(both_arms, "NOT CHECKED") == []  # the others share its config_hash


def test_unfinished_tuned_runs_are_listed_as_such(both_arms: Path, add_tuned: AddRun) -> None:
    path = add_tuned(both_arms, "random", None)
    assert compare_runs(both_arms).unfinished == (f"{path.name}: tuned detection of random (resnet18_d), seed 0",)
    assert tuned_row(compare_runs(both_arms), "random").runs == ()


# --- what is refused ---


@pytest.mark.parametrize("kept", ["fixed", "tuned"])
def test_more_than_what_may_be_tuned_is_refused(both_arms: Path, kept: str) -> None:
    """Against the fixed runs, and among tuned ones where there are no fixed."""
    if kept == "tuned":
        for path in both_arms.glob("*-resnet18_d-*/result.json"):
            path.rename(path.with_name("kept-elsewhere"))
    changed = both_arms / "d-smooth-detection-tuned-1" / "result.json"
    edit(changed, fixed_hash="0123456789ab")
    message = refused(both_arms, str(changed), "which is tuned", "0123456789ab", FIXED_HASH, "param_scheduler")
    assert ("b-standard-resnet18_d-detection-0" if kept == "fixed" else "b-standard-detection-tuned-0") in message


def test_the_choice_of_a_search_without_the_mark_is_refused(both_arms: Path) -> None:
    path = both_arms / "d-smooth-resnet18_d-detection-0" / "result.json"
    edit(path, config_hash="0123456789ab")
    refused(both_arms, str(path), "downstream configurations differ", "--tuned-over")


def test_a_place_holds_one_run_per_arm(both_arms: Path, add_tuned: AddRun) -> None:
    path = add_tuned(both_arms, "d-smooth", (40, 40), seed=1, folder="again")
    refused(both_arms, str(path), "d-smooth-detection-tuned-1", "both tuned detection of d-smooth", "with seed 1")


def test_tuned_runs_on_other_data_are_refused(both_arms: Path) -> None:
    path = both_arms / "d-smooth-detection-tuned-0" / "result.json"
    edit(path, data={"fingerprint": "f2"})
    refused(both_arms, str(path), "the detection data differ")


def test_tuned_runs_of_another_backbone_are_refused(tmp_path: Path, add_run: AddRun, add_tuned: AddRun) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 50), backbone={"sha256": "a" * 64, "seed": 0})
    path = add_tuned(tmp_path, "b-standard", (50, 50), backbone={"sha256": "b" * 64, "seed": 0})
    refused(tmp_path, str(path), "different backbones")


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"tuned": 5}, "'tuned.search' is None"),
        ({"tuned": {}}, "'tuned.search' is None"),
        ({"tuned": {"search": 1, "changed": {}}}, "'tuned.search' is 1 where a number from 2"),
        ({"tuned": {"search": True, "changed": {}}}, "'tuned.search' is True"),
        ({"tuned": {"search": "5", "changed": {}}}, "'tuned.search' is '5'"),
        ({"tuned": {"search": 5}}, "'tuned.changed' is None"),
        ({"fixed_hash": None}, "'fixed_hash' is None"),
    ],
)
def test_records_that_break_the_contract(both_arms: Path, changes: dict[str, Any], fragment: str) -> None:
    path = both_arms / "d-smooth-detection-tuned-0" / "result.json"
    edit(path, **changes)
    refused(both_arms, str(path), fragment)


def test_a_tuned_run_without_the_hash_is_refused(both_arms: Path) -> None:
    path = both_arms / "d-smooth-detection-tuned-0" / "result.json"
    content = json.loads(path.read_text())
    del content["fixed_hash"]
    path.write_text(json.dumps(content))
    refused(both_arms, str(path), "'fixed_hash' is None")
