"""Comparisons from Python: wrong arguments, and where the report goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest import mark, raises

from backbones import UserError
from studies import as_text, compare_runs, plain_answer, write_page, write_report


@mark.parametrize("function", [as_text, plain_answer, write_page, write_report])
def test_what_is_no_comparison_is_told(function: Callable[..., Any], one_seed: Path) -> None:
    before = sorted(one_seed.iterdir())
    words = rf"{function.__name__}\(\) takes what compare_runs\(\) returns, not a value of type \w*Path"
    with raises(UserError, match=words):
        function(one_seed)
    assert sorted(one_seed.iterdir()) == before


@mark.parametrize(
    ("given", "message"),
    [
        ({"root": ["a"]}, r"compare_runs\(\['a'\]\): a path is wanted, not a value of type list"),
        ({"root": __file__}, "is not a folder; give the folder that holds the runs"),
        ({"remarks": "read this first"}, r"compare_runs\(remarks='read this first'\): a list of texts is wanted"),
        ({"baseline": "d-smoth"}, "d-smoth"),
    ],
)
def test_wrong_arguments_are_told(given: dict[str, Any], message: str, one_seed: Path) -> None:
    with raises(UserError, match=message) as caught:
        compare_runs(**{"root": one_seed, **given})
    assert "\n" not in str(caught.value)


def test_all_forms_of_the_report_go_to_one_folder(one_seed: Path, tmp_path: Path) -> None:
    comparison = compare_runs(str(one_seed), remarks=["read this first"])
    assert write_page(comparison).parent == write_report(comparison).parent == one_seed / "report"
    assert write_page(comparison, str(tmp_path / "else")) == tmp_path / "else/index.html"
    assert "read this first" in as_text(comparison)
    assert all(sentence and "<" not in sentence for sentence in plain_answer(comparison))
