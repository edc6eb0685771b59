"""Looking things up in ``paper.json``; the numbers are checked in ``tests/studies/results/test_paper.py``."""

from __future__ import annotations

from pytest import mark, raises

from backbones.models import list_backbones
from backbones.recipes.paper import PaperResult, load_paper, paper_results, table_rows, table_value
from backbones.recipes.recipe import RECIPES

NAMES = range(2, 10)  # Table 1 is about networks that were trained elsewhere


def recipes_of(row: dict) -> list[str]:
    return [*row.get("recipes", {}).values(), *([row["recipe"]] if "recipe" in row else [])]


def test_rows_from_top_to_bottom() -> None:
    assert [row["label"] for row in table_rows(5)] == ["ResNet-50", "ResNet-50-B", "ResNet-50-C", "ResNet-50-D"]
    with raises(KeyError):
        table_rows(10)


def test_where_the_versions_differ_it_is_the_single_run() -> None:
    smooth = table_rows(6)[2]
    assert (smooth["top1"]["A"]["mean"], table_value(smooth["top1"])) == (78.37, 78.31)
    assert table_value(77.5) == 77.5
    assert table_value(None) is None


@mark.parametrize("number", NAMES)
def test_every_row_is_a_recipe_and_a_network_of_this_project(number: int) -> None:
    for row in table_rows(number):
        names = recipes_of(row)
        assert names
        assert set(names) <= set(RECIPES)
        assert row["network"] in list_backbones()


@mark.parametrize("number", NAMES)
def test_a_column_with_a_recipe_is_a_column_of_its_row(number: int) -> None:
    for row in table_rows(number):
        assert ("recipe" in row) != ("recipes" in row)
        for column in row.get("recipes", {}):
            assert 69 < row[column] < 78


def test_every_recipe_has_a_row() -> None:
    named = {name for number in range(2, 7) for row in table_rows(number) for name in recipes_of(row)}
    assert named == set(RECIPES)


def test_results_of_a_recipe_in_the_order_of_the_tables() -> None:
    assert paper_results("efficient") == [
        PaperResult(3, "Inception-V3", "inception_v3", 77.50),
        PaperResult(3, "MobileNet", "mobilenet_v1", 71.90),
        PaperResult(6, "Efficient", "inception_v3", 77.50),
        PaperResult(6, "Efficient", "mobilenet_v1", 71.90),
    ]
    assert paper_results("batch1024-zero-gamma") == [PaperResult(4, "+ Zero gamma", "resnet50_a", 76.37)]
    assert paper_results("d-smooth +mixup") == []


def test_zero_gamma_is_asked_only_of_networks_that_have_residual_blocks() -> None:
    for number in NAMES:
        for row in table_rows(number):
            if not row["network"].startswith("resnet"):
                assert not any(RECIPES[name].zero_gamma for name in recipes_of(row))
    assert len(load_paper()["tables"]) == 9
