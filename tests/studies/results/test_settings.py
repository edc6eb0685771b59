"""A tree of runs in settings: every run is in one, and each may be compared."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from backbones.errors import UserError
from studies.comparison.compare import compare_runs, compare_settings
from studies.results.comparable import check_comparable
from studies.results.run_tree import find_runs
from studies.results.settings import read_settings

AddRun = Callable[..., Path]


def test_runs_that_were_measured_alike_are_one_setting_with_all_of_them(one_seed: Path) -> None:
    (tree,) = read_settings(one_seed)
    assert sorted(str(run.path) for run in tree.finished) == sorted(
        str(run.path) for run in find_runs(one_seed).finished
    )
    assert compare_settings(one_seed) == [compare_runs(one_seed)]


@pytest.mark.parametrize("seed", range(6))
def test_every_run_is_in_a_setting_and_every_setting_may_be_compared(
    tmp_path: Path, add_run: AddRun, seed: int
) -> None:
    draw = random.Random(seed)
    for task in ("detection", "segmentation"):
        for place in range(10):
            config, data = f"{task:.3}{draw.randrange(3)}", draw.choice(["f1", "f2", None])
            where = {"root": f"/data/{data}"} | ({"fingerprint": data} if data else {})
            add_run(
                tmp_path, task, f"r{place % 3}", (50, 51), seed=place, config_hash=config, data=where,
                folder=f"{task}-{place}",
            )  # fmt: skip
    found = find_runs(tmp_path)
    trees = read_settings(tmp_path)
    assert len(trees) > 1
    placed = [str(run.path) for tree in trees for run in tree.finished]
    assert sorted(placed) == sorted(str(run.path) for run in found.finished)
    for tree in trees:
        check_comparable(tree.finished)
    with pytest.raises(UserError):  # which together they may not
        check_comparable(found.finished)
    sizes = {
        task: [sum(run.task == task for run in tree.finished) for tree in trees]
        for task in ("detection", "segmentation")
    }
    assert all(counts[0] == max(counts) for counts in sizes.values())


def test_trainings_on_other_data_go_with_the_transfers_of_their_backbones(tmp_path: Path, add_run: AddRun) -> None:
    for data, top1 in (("imagenet", 76.0), ("tiny", 55.0)):
        for place, recipe in enumerate(("b-standard", "d-smooth")):
            where = {"data": {"root": f"/data/{data}", "fingerprint": data}, "folder": f"{data}-{recipe}"}
            add_run(tmp_path, "classification", recipe, (top1 + place, 90), **where)
            backbone = {"seed": 0, "top1": top1 + place, "sha256": f"{data}{recipe}"}
            add_run(tmp_path, "detection", recipe, (top1, 50), backbone=backbone, folder=f"{data}-{recipe}-det")
    add_run(tmp_path, "detection", "random", (20, 20))
    first, second = compare_settings(tmp_path)
    for comparison, top1 in ((first, 76.0), (second, 55.0)):
        assert [row.cells["top1"].mean for row in comparison.rows] == [None, top1, top1 + 1]
        assert [row.cells["voc07_map"].mean for row in comparison.rows] == [20.0, top1, top1]


def test_a_backbone_that_may_be_of_either_training_is_told(tmp_path: Path, add_run: AddRun) -> None:
    for data in ("imagenet", "tiny"):
        where = {"data": {"root": f"/data/{data}", "fingerprint": data}, "folder": data}
        add_run(tmp_path, "classification", "b-standard", (70.0, 90), **where)
    path = add_run(tmp_path, "detection", "b-standard", (50, 51), backbone={"seed": 0})
    with pytest.raises(UserError, match="2 data sets") as caught:
        read_settings(tmp_path)
    assert str(path / "result.json") in str(caught.value)


def test_an_unfinished_run_waits_in_the_setting_of_its_data(tmp_path: Path, add_run: AddRun) -> None:
    for data, count in (("f1", 3), ("f2", 2)):
        for seed in range(count):
            where = {"data": {"root": "/data", "fingerprint": data}, "folder": f"{data}-{seed}"}
            add_run(tmp_path, "detection", "b-standard", (50, 51), seed, **where)
    add_run(tmp_path, "detection", "d-smooth", None, data={"root": "/data", "fingerprint": "f2"})
    first, second = read_settings(tmp_path)
    assert [len(tree.finished) for tree in (first, second)] == [3, 2]
    assert [len(tree.unfinished) for tree in (first, second)] == [0, 1]


def test_a_row_without_runs_in_a_setting_may_still_be_the_baseline(tmp_path: Path, add_run: AddRun) -> None:
    for recipe, data in (("mine", "f1"), ("yours", "f1"), ("yours", "f2")):
        where = {"data": {"root": "/data", "fingerprint": data}, "folder": f"{recipe}-{data}"}
        add_run(tmp_path, "detection", recipe, (50, 51), **where)
    first, second = compare_settings(tmp_path, "mine")
    assert first.baseline_row is not None
    assert second.baseline_row is None
    with pytest.raises(UserError, match="no such row"):
        compare_settings(tmp_path, "nobody")
