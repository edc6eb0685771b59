"""The comparison against values worked out by hand, and everything it refuses."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import UserError
from transfer.compare import Cell, Comparison, Row, compare_runs, student_interval, subtract
from transfer.tables import CSV_FIELDS, as_csv, as_json, as_markdown, as_text, write_report

# Two-sided 95 % points of Student's t by degrees of freedom, from a printed table.
T_TABLE = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 29: 2.045}
METRICS = {
    "classification": ("top1", "top5"),
    "detection": ("voc07_map", "voc_map"),
    "segmentation": ("pixel_accuracy", "miou"),
}


def add_run(
    root: Path,
    task: str,
    recipe: str,
    values: tuple[float, float] | None,
    seed: int = 0,
    network: str = "resnet18_d",
    folder: str | None = None,
    **extra: Any,
) -> Path:
    """A run folder as the tools leave it; without values an unfinished one."""
    path = root / (folder or f"{recipe}-{network}-{task}-{seed}")
    path.mkdir(parents=True)
    asked = {"format": 1, "task": task, "recipe": recipe, "network": network, "seed": seed, "protocol": f"{task}_demo"}
    if task != "classification":
        asked |= {"config_hash": f"{task:.6}123456", "backbone": {}}
    asked |= {"data": {"root": "/data", "fingerprint": "f1"}, **extra}
    (path / "run.json").write_text(json.dumps(asked))
    if values is not None:
        metrics = dict(zip(METRICS[task], values, strict=True))
        (path / "result.json").write_text(json.dumps({**asked, "metrics": metrics}))
    return path


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def row(comparison: Comparison, name: str) -> Row:
    return next(row for row in comparison.rows if row.name == name)


def cell(comparison: Comparison, name: str, metric: str) -> Cell:
    return row(comparison, name).cells[metric]


@pytest.fixture
def one_seed(tmp_path: Path) -> Path:
    """random, b-standard and d-smooth, one seed each; random has no classification run."""
    for recipe, top1, detection, segmentation in (
        ("d-smooth", 64.0, (33.5, 34.0), (71.25, 41.0)),
        ("b-standard", 61.5, (30.0, 31.0), (70.0, 42.5)),
        ("random", None, (12.25, 11.0), (55.0, 20.0)),
    ):
        if top1 is not None:
            add_run(tmp_path, "classification", recipe, (top1, 90.0))
        add_run(tmp_path, "detection", recipe, detection)
        add_run(tmp_path, "segmentation", recipe, segmentation)
    return tmp_path


@pytest.fixture
def three_seeds(tmp_path: Path) -> Path:
    """Detection only: b-standard with seeds 0, 1, 2 and d-smooth with seeds 0, 1, 2, 7."""
    for seed, value in ((0, 30.0), (1, 31.0), (2, 35.0)):
        add_run(tmp_path, "detection", "b-standard", (value, value), seed)
    for seed, value in ((0, 33.0), (1, 35.0), (2, 40.0), (7, 90.0)):
        add_run(tmp_path, "detection", "d-smooth", (value, value), seed)
    return tmp_path


# --- intervals and differences ---


@pytest.mark.parametrize("n", [degrees + 1 for degrees in T_TABLE])
def test_interval_agrees_with_a_t_table(n: int) -> None:
    values = [50 + 3 * math.sin(index) for index in range(n)]
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    half = T_TABLE[n - 1] * math.sqrt(variance / n)
    assert student_interval(values) == pytest.approx((mean - half, mean + half), rel=1e-3)


def test_interval_needs_two_values() -> None:
    assert student_interval([]) is None
    assert student_interval([70.0]) is None
    assert student_interval([70.0, 70.0]) == (70.0, 70.0)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8), st.floats(-10, 10))
def test_interval_moves_with_its_values(values: list[float], shift: float) -> None:
    low, high = student_interval(values)
    moved_low, moved_high = student_interval([value + shift for value in values])
    assert low - 1e-9 <= sum(values) / len(values) <= high + 1e-9
    assert (moved_low, moved_high) == pytest.approx((low + shift, high + shift), abs=1e-6)


@given(st.dictionaries(st.integers(0, 9), st.floats(0, 100), min_size=2), st.floats(-10, 10))
def test_a_constant_gain_has_no_noise_when_paired(baseline: dict[int, float], gain: float) -> None:
    difference = subtract({seed: value + gain for seed, value in baseline.items()}, baseline)
    assert difference.pairs == len(baseline)
    assert difference.interval == pytest.approx((gain, gain), abs=1e-6)


def test_differences_are_antisymmetric_and_paired_by_seed() -> None:
    one, other = {0: 10.0, 1: 20.0, 5: 99.0}, {1: 12.0, 0: 11.0}
    assert subtract(one, other).value == 3.5  # (10 - 11 + 20 - 12) / 2, and not the 43 - 11.5 of the means
    assert subtract(other, one).value == -3.5
    assert subtract(one, other).pairs == 2


def test_difference_without_a_common_seed_is_that_of_the_means() -> None:
    difference = subtract({0: 10.0, 1: 20.0}, {7: 12.0})
    assert (difference.value, difference.pairs, difference.interval) == (3.0, 0, None)
    assert subtract({}, {7: 12.0}) is None
    assert subtract({7: 12.0}, {}) is None


# --- one seed ---


def test_one_seed_has_differences_without_intervals(one_seed: Path) -> None:
    comparison = compare_runs(one_seed)
    assert comparison.baseline == "b-standard"
    smooth = row(comparison, "d-smooth").cells
    assert {metric: smooth[metric].mean for metric in smooth} == {
        "top1": 64.0,
        "voc07_map": 33.5,
        "voc_map": 34.0,
        "miou": 41.0,
        "pixel_accuracy": 71.25,
    }
    assert [smooth[metric].difference.value for metric in smooth] == [2.5, 3.5, 3.0, -1.5, 1.25]
    assert all(cell.interval is None and cell.difference.interval is None for cell in smooth.values())
    assert any("n=1, no interval" in note for note in comparison.notes)


def test_paper_numbers_stand_beside(one_seed: Path) -> None:
    comparison = compare_runs(one_seed)
    paper = {metric: cell.paper for metric, cell in row(comparison, "d-smooth").cells.items()}
    assert paper["voc07_map"].value == 80.71
    assert paper["voc07_map"].difference == pytest.approx(3.17)
    assert paper["miou"].difference == pytest.approx(1.70)
    assert paper["pixel_accuracy"].difference == pytest.approx(0.56)
    assert paper["top1"].difference == pytest.approx(2.20)
    assert paper["voc_map"] is None
    assert all(cell.paper is None for cell in row(comparison, "random").cells.values())
    assert all(cell.difference is None for cell in row(comparison, "b-standard").cells.values())
    assert cell(comparison, "b-standard", "top1").paper.difference is None


def test_paper_differences_follow_the_baseline(one_seed: Path) -> None:
    comparison = compare_runs(one_seed, "d-smooth")
    assert cell(comparison, "b-standard", "voc07_map").paper.difference == pytest.approx(-3.17)
    assert cell(comparison, "b-standard", "voc07_map").difference.value == -3.5
    against_random = compare_runs(one_seed, "random")
    assert cell(against_random, "d-smooth", "voc07_map").paper.difference is None
    assert any('no row "random"' in note for note in against_random.notes)


def test_paper_is_named_as_another_network_on_other_data(one_seed: Path) -> None:
    note = next(note for note in compare_runs(one_seed).notes if note.startswith("paper:"))
    assert "ResNet-50, ImageNet" in note
    assert "resnet18_d say nothing about" in note


def test_the_papers_networks_are_not_called_others(tmp_path: Path) -> None:
    add_run(tmp_path, "detection", "b-standard", (70, 71), network="resnet50_b")
    add_run(tmp_path, "detection", "d-smooth", (72, 73), network="resnet50_d")
    note = next(note for note in compare_runs(tmp_path).notes if note.startswith("paper:"))
    assert "say nothing" not in note
    assert "only where data and downstream protocol are the paper's" in note


def test_row_order(tmp_path: Path) -> None:
    for recipe in ("zeta", "d-distill-mixup", "alpha", "d-smooth", "b-standard", "random", "d-mixup", "d-cosine"):
        add_run(tmp_path, "detection", recipe, (50, 50))
    names = [row.name for row in compare_runs(tmp_path).rows]
    expected = ["random", "b-standard", "d-cosine", "d-smooth", "d-mixup", "d-distill-mixup", "alpha", "zeta"]
    assert names == expected


def test_several_networks_are_named_and_need_a_clear_baseline(tmp_path: Path) -> None:
    for recipe, network in (("b-standard", "resnet18_b"), ("d-smooth", "resnet18_d"), ("d-smooth", "resnet50_d")):
        add_run(tmp_path, "detection", recipe, (50, 50), network=network)
    comparison = compare_runs(tmp_path)
    assert [row.name for row in comparison.rows] == [
        "b-standard (resnet18_b)",
        "d-smooth (resnet18_d)",
        "d-smooth (resnet50_d)",
    ]
    assert compare_runs(tmp_path, "d-smooth (resnet50_d)").baseline == "d-smooth (resnet50_d)"
    with pytest.raises(UserError, match=r'fits 2 rows.*"d-smooth \(resnet18_d\)"'):
        compare_runs(tmp_path, "d-smooth")


# --- several seeds ---


def test_several_seeds_by_hand(three_seeds: Path) -> None:
    comparison = compare_runs(three_seeds)
    base = cell(comparison, "b-standard", "voc07_map")
    # 30, 31, 35: mean 32, squared deviations 4 + 1 + 9, s² = 7, half width 4.303 · √(7 / 3) = 6.573
    assert (base.n, base.mean, base.seeds) == (3, 32.0, (0, 1, 2))
    assert base.interval == pytest.approx((32 - 6.573, 32 + 6.573), abs=2e-3)
    smooth = cell(comparison, "d-smooth", "voc07_map")
    assert (smooth.n, smooth.mean) == (4, 49.5)
    # 3, 4, 5 at seeds 0, 1, 2: mean 4, s = 1, half width 4.303 / √3 = 2.484; seed 7 has no partner
    assert (smooth.difference.value, smooth.difference.pairs) == (4.0, 3)
    assert smooth.difference.interval == pytest.approx((4 - 2.484, 4 + 2.484), abs=2e-3)


def test_table_shows_intervals_and_seeds(three_seeds: Path) -> None:
    lines = as_text(compare_runs(three_seeds)).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("d-smooth"))
    assert lines[start].split() == ["d-smooth", "–", "–", "49.50", "+4.00", "49.50", "+4.00", *["–"] * 4]  # noqa: RUF001
    # s² = 2213 / 3 over 33, 35, 40, 90, so the half width is 3.1824 · √(737.67 / 4) = 43.22
    assert lines[start + 1].split()[:7] == ["±", "95", "%", "–", "–", "43.22", "2.48"]  # noqa: RUF001
    assert lines[start + 2].split()[:5] == ["n", "–", "–", "4", "3"]  # noqa: RUF001
    assert lines[start + 3].split()[:5] == ["paper", "78.34", "+2.20", "80.71", "+3.17"]


# --- top-1 ---


def test_top1_from_bundles_counts_each_backbone_once(tmp_path: Path) -> None:
    backbone = {"sha256": "aa" * 32, "seed": 4, "top1": 66.0}
    for seed in (0, 1, 2):
        add_run(tmp_path, "detection", "b-standard", (50 + seed, 50), seed, backbone=backbone)
    comparison = compare_runs(tmp_path)
    top1 = cell(comparison, "b-standard", "top1")
    assert (top1.n, top1.seeds, top1.mean, top1.interval) == (1, (4,), 66.0, None)
    assert cell(comparison, "b-standard", "voc07_map").n == 3
    assert any("One trained backbone each: b-standard." in note for note in comparison.notes)


def test_top1_from_classification_runs_comes_first(tmp_path: Path) -> None:
    add_run(tmp_path, "classification", "b-standard", (66.0, 90), seed=4)
    add_run(tmp_path, "classification", "b-standard", (68.0, 90), seed=5)
    add_run(tmp_path, "detection", "b-standard", (50, 50), backbone={"sha256": "aa", "seed": 4, "top1": 66.001})
    assert cell(compare_runs(tmp_path), "b-standard", "top1").values == (66.0, 68.0)


# --- trees ---


def test_unfinished_runs_are_listed_and_not_counted(one_seed: Path) -> None:
    add_run(one_seed, "segmentation", "d-smooth", None, seed=1, folder="deep/er")
    comparison = compare_runs(one_seed)
    assert comparison.unfinished == ("deep/er: segmentation of d-smooth (resnet18_d), seed 1",)
    assert cell(comparison, "d-smooth", "miou").n == 1
    assert "unfinished: deep/er" in as_text(comparison)
    assert "- deep/er: segmentation" in as_markdown(comparison)


def test_missing_cells_are_dashes(tmp_path: Path) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 50))
    add_run(tmp_path, "segmentation", "d-smooth", (70, 40))
    comparison = compare_runs(tmp_path)
    assert cell(comparison, "d-smooth", "voc07_map").mean is None
    assert cell(comparison, "d-smooth", "miou").difference is None
    line = next(line for line in as_text(comparison).splitlines() if line.startswith("d-smooth"))
    assert line.split() == ["d-smooth", *["–"] * 6, "40.00", "–", "70.00", "–"]  # noqa: RUF001


def test_links_are_followed_once(one_seed: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
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


def test_no_runs(tmp_path: Path) -> None:
    refused(tmp_path, f"no finished run under {tmp_path}: none")
    refused(tmp_path / "nowhere", "is not a folder")
    add_run(tmp_path, "detection", "d-smooth", None, folder="half")
    refused(tmp_path, "only unfinished ones", "half", "--resume")


def test_unknown_baseline(one_seed: Path) -> None:
    refused(one_seed, "d-mixup: no such row", '"random", "b-standard", "d-smooth"', baseline="d-mixup")


def test_baseline_is_required_without_b_standard(tmp_path: Path) -> None:
    add_run(tmp_path, "detection", "d-smooth", (50, 50))
    refused(tmp_path, "no row b-standard", '--baseline one of "d-smooth"')
    assert compare_runs(tmp_path, "d-smooth").baseline == "d-smooth"


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
        ({"metrics": None}, "neither voc07_map nor voc_map"),
        ({"metrics": {"mAP": 50}}, "neither voc07_map nor voc_map"),
        ({"metrics": {"voc07_map": "50"}}, "voc07_map is '50'"),
        ({"metrics": {"voc07_map": float("nan")}}, "voc07_map is nan"),
        ({"metrics": {"voc07_map": float("inf")}}, "voc07_map is inf"),
        ({"metrics": {"voc07_map": -1}}, "voc07_map is -1"),
        ({"metrics": {"voc07_map": 10**400}}, "which is no percentage"),
    ],
)
def test_results_that_break_the_contract(tmp_path: Path, changes: dict[str, Any], fragment: str) -> None:
    path = add_run(tmp_path, "detection", "b-standard", (50, 50)) / "result.json"
    edit(path, **changes)
    if fragment:
        refused(tmp_path, str(path), fragment)
    else:
        assert compare_runs(tmp_path).baseline == "b-standard"


def test_duplicates_name_both_files(one_seed: Path) -> None:
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


def test_different_backbones_in_a_row_are_refused(tmp_path: Path) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 50), backbone={"sha256": "a" * 64, "seed": 0})
    path = add_run(tmp_path, "segmentation", "b-standard", (50, 50), backbone={"sha256": "b" * 64, "seed": 0})
    refused(tmp_path, str(path), "different backbones", "a" * 12, "b" * 12)
    edit(path / "result.json", backbone={"sha256": "b" * 64, "seed": 1})  # another training seed is another backbone
    assert compare_runs(tmp_path).rows


def test_a_transfer_of_another_training_is_refused(tmp_path: Path) -> None:
    source = add_run(tmp_path, "classification", "b-standard", (66.0, 90))
    path = add_run(tmp_path, "detection", "b-standard", (50, 50), backbone={"seed": 0, "top1": 64.0})
    refused(tmp_path, str(path), str(source), "top-1 64.00", "66.00")


# --- renderings ---


def test_text_is_aligned_and_at_most_120_wide(tmp_path: Path) -> None:
    for recipe, network in (("b-standard", "resnet152_b"), ("d-distill-mixup", "resnet152_d")):
        for seed in (0, 1):
            for task in METRICS:
                add_run(tmp_path, task, recipe, (99.99, 0.0 if recipe[0] == "b" else 100.0), seed, network)
    lines = as_text(compare_runs(tmp_path)).splitlines()
    assert max(map(len, lines)) <= 120
    first, last = (index for index, line in enumerate(lines) if set(line) == {"-"})
    assert len({len(line) for line in [lines[0], *lines[first : last + 1]]}) == 1


def test_markdown_is_a_regular_table(one_seed: Path) -> None:
    add_run(one_seed, "detection", "a|b", (40, 40))
    table = [line for line in as_markdown(compare_runs(one_seed)).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "//").count("|") for line in table}) == 1
    assert len({len(line) for line in table}) == 1
    assert table[2].startswith("| **random**")
    assert table[4].startswith("| *paper*")


def test_small_negative_differences_are_not_minus_zero(tmp_path: Path) -> None:
    add_run(tmp_path, "detection", "b-standard", (50.001, 50))
    add_run(tmp_path, "detection", "d-smooth", (50.0, 50))
    assert "-0.00" not in as_text(compare_runs(tmp_path))


def test_csv_has_a_line_per_row_and_metric(three_seeds: Path) -> None:
    comparison = compare_runs(three_seeds)
    records = list(csv.DictReader(io.StringIO(as_csv(comparison))))
    assert len(records) == 2 * 5
    assert tuple(records[0]) == CSV_FIELDS
    found = next(entry for entry in records if (entry["row"], entry["metric"]) == ("d-smooth", "voc07_map"))
    exact = {"n": "4", "seeds": "0 1 2 7", "pairs": "3", "baseline": "b-standard", "paper_table": "8"}
    assert {key: found[key] for key in exact} == exact
    assert float(found["difference_low"]) == pytest.approx(4 - 2.484, abs=2e-3)
    assert float(found["paper_difference"]) == pytest.approx(3.17)
    empty = next(entry for entry in records if (entry["row"], entry["metric"]) == ("d-smooth", "miou"))
    assert (empty["mean"], empty["difference"], empty["n"]) == ("", "", "0")
    assert empty["paper"] == "38.75"


def test_json_holds_everything(three_seeds: Path) -> None:
    comparison = compare_runs(three_seeds)
    document = json.loads(json.dumps(as_json(comparison), allow_nan=False))
    smooth = next(entry for entry in document["rows"] if entry["name"] == "d-smooth")
    assert smooth["cells"]["voc07_map"]["values"] == [33, 35, 40, 90]
    assert smooth["cells"]["voc07_map"]["difference"]["pairs"] == 3
    assert smooth["paper_network"] == "resnet50_d"
    assert "d-smooth-resnet18_d-detection-7/result.json" in smooth["runs"]
    assert document["paper"] == "ResNet-50, ImageNet"
    assert document["baseline"] == "b-standard"
    assert str(three_seeds) not in json.dumps(document)


def test_report_that_cannot_be_written(one_seed: Path) -> None:
    (one_seed / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write the report to .*taken"):
        write_report(compare_runs(one_seed), one_seed / "taken")
