"""Every benchmark is a file that can be found, described and chosen; the document is what the figures say."""

from __future__ import annotations

import inspect
from pathlib import Path

from pytest import mark, raises

from backbones.errors import UserError
from backbones.files import read_json
from benchmarks.harness.document import document
from benchmarks.harness.findings import Aim, Findings, SideBySide
from benchmarks.harness.registry import choose, load, names

DOCS = Path(__file__).resolve().parents[3] / "docs"


@mark.parametrize("name", names())
def test_a_benchmark_has_all_that_the_harness_asks_of_it(name: str) -> None:
    module = load(name)
    assert module.TITLE
    assert isinstance(module.QUICK, bool)
    assert list(inspect.signature(module.measure).parameters) == ["settings"]
    assert len(module.__doc__) > 60  # it becomes the section's text


def test_benchmarks_are_chosen_by_name() -> None:
    assert choose([], quick=False) == names()
    assert choose(["index", "start"], quick=True) == ["index", "start"]
    with raises(UserError, match="no benchmark indx; did you mean index"):
        choose(["indx"], quick=False)


def test_the_document_is_that_of_the_figures() -> None:
    entries = read_json(DOCS / "performance.json")["benchmarks"]
    assert (DOCS / "performance.md").read_text() == document(entries)
    assert set(entries) <= set(names())


def test_a_benchmark_without_figures_is_left_out() -> None:
    entries = read_json(DOCS / "performance.json")["benchmarks"]
    title = f"## {load('decoders').TITLE}\n"
    assert title in document(entries)
    assert title not in document({name: entry for name, entry in entries.items() if name != "decoders"})


def test_the_summary_has_every_ratio_that_has_an_aim() -> None:
    aims = (Aim("ours", "theirs", 2.0), Aim("ours", "others", 2.0))
    rates = {"theirs": [1.0, 1.0, 1.0], "others": [2.0, 2.0, 2.0], "ours": [3.0, 2.5, 2.0]}
    found = Findings((SideBySide("small", "images/s", rates, aims),))
    entry = {"command": "", "date": "", "seconds": 0, "hardware": {"name": "", "cpus": 1, "load": 0}, "versions": {}}
    rows = [
        line.split(" | ")
        for line in document({"decoders": entry | found.as_json()}).splitlines()
        if "; ours / " in line
    ]
    assert [[cell.strip(" |") for cell in row] for row in rows] == [
        ["JPEG decoders: small; ours / theirs", "2.50 (2.00 to 3.00)", "2", "reached"],
        ["JPEG decoders: small; ours / others", "1.25 (1.00 to 1.50)", "2", "**not reached**"],
    ]
