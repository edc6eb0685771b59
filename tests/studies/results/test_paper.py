"""``paper.json`` against what is known about the paper's tables by other ways than reading that file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from scipy.stats import spearmanr

from backbones.recipes.paper import load_paper
from studies.results.paper import find_row, recipe_order
from transfer.catalogue import paper_sources

ROW_COUNTS = {"1": 6, "2": 3, "3": 3, "4": 5, "5": 4, "6": 18, "7": 2, "8": 7, "9": 7}
ORDER = ("b-standard", "d-efficient", "d-cosine", "d-smooth", "d-distill", "d-mixup", "d-distill-mixup")
COUNTS = (".flops", ".parameters", "minutes_per_epoch", ".n")


def rows(table: int) -> list[dict[str, Any]]:
    return load_paper()["tables"][str(table)]["rows"]


def column(table: int, name: str) -> list[float]:
    return [row[name] for row in rows(table)]


def numbers(node: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers(value, f"{name}.{key}")
    elif node is not None and not isinstance(node, str):
        yield name, node


def test_every_table_is_there_with_its_rows() -> None:
    assert {number: len(table["rows"]) for number, table in load_paper()["tables"].items()} == ROW_COUNTS
    assert all(table["title"] for table in load_paper()["tables"].values())


@pytest.mark.parametrize("table", range(1, 10))
def test_rows_of_a_table_have_the_same_columns(table: int) -> None:
    optional = {"recipe", "network"}
    assert len({frozenset(row.keys() - optional) for row in rows(table)}) == 1


@pytest.mark.parametrize("table", range(1, 10))
def test_numbers_lie_in_their_ranges(table: int) -> None:
    for row in rows(table):
        for name, value in numbers(row):
            if name.endswith(COUNTS):
                low, high = 1, 30
            elif name.endswith("std"):
                low, high = 0.01, 0.2
            elif "top5" in name:
                low, high = 85, 96
            elif "miou" in name:
                low, high = 35, 45
            else:
                low, high = 55, 85
            assert low <= value <= high, f"Table {table}, {row['label']}: {name} = {value}"


@pytest.mark.parametrize("table", [1, 2, 3, 4, 5, 6, 7])
def test_top5_is_above_top1(table: int) -> None:
    compared = 0
    for row in rows(table):
        flat = dict(numbers(row))
        for name, top5 in flat.items():
            if "top5" in name and not name.endswith((".std", ".n")):
                assert top5 > flat[name.replace("top5", "top1")]
                compared += 1
    assert compared >= len(rows(table)) - 1


@pytest.mark.parametrize("table", [8, 9])
def test_transfer_rows_rise_in_top1(table: int) -> None:
    assert tuple(column(table, "recipe")) == ORDER == recipe_order()
    assert column(table, "top1") == sorted(set(column(table, "top1")))


def test_both_transfer_tables_have_the_same_networks() -> None:
    assert column(8, "top1") == column(9, "top1")
    assert column(8, "network") == column(9, "network") == ["resnet50_b"] + ["resnet50_d"] * 6


def test_detection_follows_top1_and_segmentation_does_not() -> None:
    assert spearmanr(column(8, "top1"), column(8, "map")).statistic == pytest.approx(1.0)
    assert spearmanr(column(9, "top1"), column(9, "miou")).statistic == pytest.approx(-0.04, abs=0.005)
    assert spearmanr(column(9, "top1"), column(9, "pixel_accuracy")).statistic == pytest.approx(0.07, abs=0.005)


def test_differences_of_the_transfer_tables() -> None:
    maps, mious = column(8, "map"), column(9, "miou")
    assert [round(value - maps[0], 2) for value in maps] == [0, 0.76, 1.69, 3.17, 3.42, 3.56, 3.79]
    assert [round(value - mious[0], 2) for value in mious] == [0, 1.83, 2.28, 1.70, 1.85, 0.94, 1.35]


def test_only_the_resnet_rows_of_table_6_differ_between_versions() -> None:
    for row in rows(6):
        for name in ("top1", "top5"):
            versions = isinstance(row[name], dict)
            assert versions == (row["network"] == "resnet50_d")
            if versions:
                assert row[name].keys() == {"A", "B"}
                assert row[name]["A"]["n"] == 4
                assert abs(row[name]["A"]["mean"] - row[name]["B"]["value"]) < 0.2
    assert all(isinstance(value, (str, int, float, type(None))) for t in (1, 2, 3, 4, 5, 7, 8, 9) for row in rows(t)
               for name, value in row.items() if name != "recipes")  # fmt: skip


def test_numbers_that_appear_in_several_tables_agree() -> None:
    assert rows(2)[0]["baseline_top1"] == rows(3)[0]["baseline_top1"] == rows(4)[0]["batch256_top1"] == 75.87
    assert rows(3)[0]["efficient_top1"] == rows(4)[-1]["batch1024_top1"] == rows(5)[0]["top1"] == 76.21
    assert rows(5)[3]["top1"] == rows(6)[0]["top1"]["B"]["value"] == rows(8)[1]["top1"] == 77.16
    assert rows(1)[-1]["top1"] == rows(6)[5]["top1"]["B"]["value"] == rows(8)[-1]["top1"] == 79.29


def test_listed_inconsistencies_are_in_the_numbers() -> None:
    places = " ".join(entry["place"] for entry in load_paper()["inconsistencies"])
    assert all(entry["note"] for entry in load_paper()["inconsistencies"])
    assert "MobileNet, Efficient, top-5" in places
    assert (rows(3)[2]["efficient_top5"], rows(6)[12]["top5"]) == (90.47, 90.53)
    assert "+ smooth, top-1" in places
    assert (rows(8)[3]["top1"], rows(6)[2]["top1"]["B"]["value"], rows(6)[2]["top1"]["A"]["mean"]) == (
        78.34,
        78.31,
        78.37,
    )
    assert "+ mixup w/o distill, top-1" in places
    assert (rows(8)[5]["top1"], rows(6)[4]["top1"]["B"]["value"], rows(6)[4]["top1"]["A"]["mean"]) == (
        79.16,
        79.15,
        79.01,
    )
    assert "last row of Table 9" in places
    assert rows(8)[-1]["label"] != rows(9)[-1]["label"]


def test_find_row() -> None:
    row = find_row("d-smooth", "resnet18_d")
    assert row is not None
    assert row.network == "resnet50_d"
    assert not row.same_network
    assert row.values == {"top1": 78.34, "voc07_map": 80.71, "miou": 38.75, "pixel_accuracy": 78.64}
    assert find_row("b-standard", "resnet50_b").same_network
    assert not find_row("b-standard", "resnet50_d").same_network


@pytest.mark.parametrize("recipe", ["random", "+ smooth", "D-smooth", ""])
def test_rows_that_the_paper_does_not_have(recipe: str) -> None:
    assert find_row(recipe, "resnet50_d") is None


def test_average_precision_over_the_area_has_no_paper_number() -> None:
    assert "voc_map" not in paper_sources()
