"""Trees of run folders: what is found in them, and everything that is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backbones.errors import UserError
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison, compare_runs
from studies.report.forms.text import as_markdown, as_text, write_report
from studies.results.run_tree import read_tree


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def cell(comparison: Comparison, name: str, metric: str) -> Cell:
    return next(row for row in comparison.rows if row.name == name).cells[metric]


# --- trees ---


def test_unfinished_runs_are_listed_and_not_counted(one_seed: Path, add_run: Callable[..., Path]) -> None:
    add_run(one_seed, "segmentation", "d-smooth", None, seed=1, folder="deep/er")
    comparison = compare_runs(one_seed)
    assert comparison.unfinished == ("deep/er: segmentation of d-smooth (resnet18_d), seed 1",)
    assert cell(comparison, "d-smooth", "miou").n == 1
    assert "unfinished: deep/er" in as_text(comparison)
    assert "- deep/er: segmentation" in as_markdown(comparison)


def test_missing_cells_are_dashes(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 50))
    add_run(tmp_path, "segmentation", "d-smooth", (70, 40))
    comparison = compare_runs(tmp_path)
    assert cell(comparison, "d-smooth", "voc07_map").mean is None
    assert cell(comparison, "d-smooth", "miou").difference is None
    line = next(line for line in as_text(comparison).splitlines() if line.startswith("d-smooth"))
    assert line.split() == ["d-smooth", *["–"] * 6, "40.00", "–", "70.00", "–"]  # noqa: RUF001


def test_links_are_followed_once(
    one_seed: Path, tmp_path_factory: pytest.TempPathFactory, add_run: Callable[..., Path]
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    add_run(elsewhere, "detection", "d-cosine", (40, 40))
    (one_seed / "link").symlink_to(elsewhere)
    (one_seed / "loop").symlink_to(one_seed)
    assert cell(compare_runs(one_seed), "d-cosine", "voc07_map").values == (40.0,)


def test_a_report_inside_the_tree_changes_nothing(one_seed: Path) -> None:
    comparison = compare_runs(one_seed)
    assert write_report(comparison) == one_seed / "report" / "comparison.md"
    assert compare_runs(one_seed) == comparison


# --- what is refused ---


def refused(root: Path, *fragments: str, baseline: str | None = None) -> None:
    with pytest.raises(UserError) as caught:
        compare_runs(root, baseline)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_no_runs(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    refused(tmp_path, f"no finished run under {tmp_path}: none")
    refused(tmp_path / "nowhere", "is not a folder")
    add_run(tmp_path, "detection", "d-smooth", None, folder="half")
    refused(tmp_path, "only unfinished ones", "half", "--resume")


def test_unknown_baseline(one_seed: Path) -> None:
    for wanted in ("d-mixpu", "d-smooth (resnet81_d)"):
        refused(one_seed, f"{wanted}: no such row", '"random", "b-standard", "d-smooth"', baseline=wanted)


@pytest.mark.parametrize("asked", [None, "d-mixup"])
def test_a_row_of_the_paper_that_nobody_has_finished_is_a_missing_baseline(
    asked: str | None, tmp_path: Path, add_run: Callable[..., Path]
) -> None:
    add_run(tmp_path, "detection", "d-smooth", (50, 50))
    comparison = compare_runs(tmp_path, asked)
    assert comparison.baseline == (asked or "b-standard")
    assert comparison.baseline_row is None
    assert comparison.rows[0].cells["voc07_map"].difference is None
    assert comparison.notes[0].startswith(f'NOT COMPARED: no run of the baseline, the row "{comparison.baseline}"')
    assert compare_runs(tmp_path, "d-smooth").baseline_row is not None


@pytest.mark.parametrize("name", ["run.json", "result.json"])
@pytest.mark.parametrize("content", ["", '{"task": "det', "[]", "\x00\xff", "null"])
def test_corrupt_files(one_seed: Path, name: str, content: str) -> None:
    broken = one_seed / "broken"
    broken.mkdir()
    (broken / name).write_bytes(content.encode("latin-1"))
    refused(one_seed, str(broken / name), "delete it or restore it")


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"task": "pose"}, "unknown task 'pose'"),
        ({"task": 3}, "'task' is 3"),
        ({"recipe": None}, "'recipe' is None"),
        ({"network": ""}, "'network' is ''"),
        ({"seed": "0"}, "'seed' is '0'"),
        ({"seed": True}, "'seed' is True"),
        ({"config_hash": None}, "'config_hash' is None"),
        ({"backbone": "b.safetensors"}, "'backbone' is"),
        ({"backbone": {"top1": 170}}, "backbone.top1 is 170"),
        ({"backbone": {"seed": [1]}}, "'backbone.seed' is [1]"),
        ({"data": []}, ""),
        ({"data": 5}, "'data' is 5"),
        ({"metrics": None}, "none of voc07_map, voc_map, coco_ap"),
        ({"metrics": {"mAP": 50}}, "none of voc07_map, voc_map, coco_ap"),
        ({"metrics": {"voc07_map": "50"}}, "voc07_map is '50'"),
        ({"metrics": {"voc07_map": float("nan")}}, "is not valid JSON (NaN is no number"),
        ({"metrics": {"voc07_map": float("inf")}}, "is not valid JSON (Infinity is no number"),
        ({"metrics": {"voc07_map": -1}}, "voc07_map is -1"),
        ({"metrics": {"voc07_map": 10**400}}, "which is no percentage"),
    ],
)
def test_results_that_break_the_contract(
    tmp_path: Path, changes: dict[str, Any], fragment: str, add_run: Callable[..., Path]
) -> None:
    path = add_run(tmp_path, "detection", "b-standard", (50, 50)) / "result.json"
    edit(path, **changes)
    if fragment:
        refused(tmp_path, str(path), fragment)
    else:
        assert compare_runs(tmp_path).baseline == "b-standard"


def test_duplicates_name_both_files(one_seed: Path, add_run: Callable[..., Path]) -> None:
    add_run(one_seed, "segmentation", "d-smooth", (70, 40), folder="again")
    first, again = (one_seed / name / "result.json" for name in ("d-smooth-resnet18_d-segmentation-0", "again"))
    refused(one_seed, str(first), str(again), "with seed 0")


def test_different_downstream_configurations_are_refused(one_seed: Path) -> None:
    changed = one_seed / "d-smooth-resnet18_d-detection-0" / "result.json"
    edit(changed, config_hash="0123456789ab")
    fragments = (str(changed), "b-standard-resnet18_d-detection-0", "downstream configurations differ", "0123456789ab")
    refused(one_seed, *fragments, "see 'protocol' and 'command'")
    for recipe in ("b-standard", "d-smooth"):
        dumped = one_seed / f"{recipe}-resnet18_d-detection-0" / "openmmlab" / "detection_demo.py"
        dumped.parent.mkdir()
        dumped.write_text("")
    refused(one_seed, *fragments, f"see: diff {dumped.parents[2]}/b-standard", f" {dumped}")


@pytest.mark.parametrize("former", ["0123456789ab", "another"])
def test_a_run_of_an_older_version_is_of_the_same_configuration_if_a_newer_one_says_so(
    former: str, one_seed: Path
) -> None:
    folders = [one_seed / f"{recipe}-resnet18_d-detection-0" for recipe in ("d-smooth", "b-standard")]
    edit(folders[0] / "result.json", config_hash="0123456789ab")
    edit(folders[1] / "result.json", former_hashes={"config_hash": former})
    if former == "another":
        refused(one_seed, "downstream configurations differ")
    else:
        hashes = {run.config_hash for run in read_tree(one_seed).finished if run.task == "detection"}
        assert len(hashes) == 1
        assert hashes != {"0123456789ab"}


def test_configurations_of_different_tasks_may_differ(one_seed: Path) -> None:
    assert {json.loads(path.read_text()).get("config_hash") for path in one_seed.rglob("result.json")} == {
        None,
        "detect123456",
        "segmen123456",
    }
    assert compare_runs(one_seed).rows


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation"])
def test_different_data_are_refused(one_seed: Path, task: str) -> None:
    changed = one_seed / f"d-smooth-resnet18_d-{task}-0" / "result.json"
    edit(changed, data={"fingerprint": "f2"})
    refused(one_seed, str(changed), f"the {task} data differ", "f2")


def test_different_backbones_in_a_row_are_refused(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 50), backbone={"sha256": "a" * 64, "seed": 0})
    path = add_run(tmp_path, "segmentation", "b-standard", (50, 50), backbone={"sha256": "b" * 64, "seed": 0})
    refused(tmp_path, str(path), "different backbones", "a" * 12, "b" * 12)
    edit(path / "result.json", backbone={"sha256": "b" * 64, "seed": 1})  # another training seed is another backbone
    assert compare_runs(tmp_path).rows


def test_a_transfer_of_another_training_is_refused(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    source = add_run(tmp_path, "classification", "b-standard", (66.0, 90))
    path = add_run(tmp_path, "detection", "b-standard", (50, 50), backbone={"seed": 0, "top1": 64.0})
    refused(tmp_path, str(path), str(source), "top-1 64.00", "66.00")


@pytest.mark.parametrize("proof", [None, {}, {"features": {"equal": False}}, {"features": {"equal": "yes"}}])
def test_a_transfer_without_proof_does_not_count(
    tmp_path: Path, proof: dict[str, Any] | None, add_run: Callable[..., Path]
) -> None:
    path = add_run(tmp_path, "segmentation", "b-standard", (50, 50)) / "result.json"
    edit(path, proof=proof)
    refused(tmp_path, str(path), "no proof that its backbone arrived")
