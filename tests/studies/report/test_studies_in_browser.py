"""The page of studies whose truth is known, as people see it: a screen, a phone, paper, a screen reader."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fabricated
import pytest

from studies.comparison.compare import compare_settings
from studies.report.whole import write_whole_report

pytestmark = pytest.mark.processes
OPEN = "for (const each of document.querySelectorAll('details')) each.open = true"
BASELINES = {"own_rows": "mine-plain", "several_settings": "mine-plain"}
STUDIES = ("known_effects", "no_effect", "unfinished", "own_rows", "zoo")
BOTTOM = "Math.max(...[...document.querySelectorAll('{}')].map((each) => each.getBoundingClientRect().bottom))"
DARK = [{"name": "prefers-color-scheme", "value": "dark"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture
def pages(folder: Path, add_run: Callable[..., Path]) -> Callable[[str], Path]:
    """A study's page by its name, written once."""

    def page(name: str) -> Path:
        root = folder / name
        if not (root / "report" / "index.html").is_file():
            getattr(fabricated, name)(root, add_run)
            write_whole_report(compare_settings(root, BASELINES.get(name)))
        return root / "report" / "index.html"

    return page


@pytest.mark.parametrize("name", STUDIES)
def test_headline_figure_and_cards_are_above_the_fold(browser: Any, pages: Callable[[str], Path], name: str) -> None:
    browser.open(pages(name), 1280, 900)
    assert 0 < browser.run(BOTTOM.format(".headline")) < browser.run(BOTTOM.format(".hero-figure, .card")) <= 900
    assert browser.run("document.querySelectorAll('.card').length") == 3
    assert browser.run("[...document.querySelectorAll('.hero-figure svg')].some((each) => each.clientWidth > 300)")
    assert browser.problems() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [pages(name).as_uri()]
    assert pages(name).stat().st_size < 300_000


@pytest.mark.parametrize("name", [*STUDIES, "several_settings"])
def test_on_a_phone_nothing_is_off_the_screen(browser: Any, pages: Callable[[str], Path], name: str) -> None:
    browser.open(pages(name), 390, 844)
    browser.run(OPEN)
    wide = "[...document.querySelectorAll('body *')].filter((each) => !each.closest('svg, pre, .scroll.wide')"
    wide += " && each.getBoundingClientRect().right > 391).map((each) => each.outerHTML.slice(0, 90))"
    assert browser.run(wide) == []
    assert browser.run("document.documentElement.scrollWidth") <= 390
    cells = "[...document.querySelectorAll('.paper-table td.main')].filter((each) => each.clientHeight)"
    assert browser.run(f"{cells}.length") > 0
    assert browser.run(f"{cells}.every((each) => getComputedStyle(each, '::before').content.includes('difference'))")


@pytest.mark.parametrize("name", STUDIES)
def test_on_paper_it_is_portrait_of_at_most_six_pages(browser: Any, pages: Callable[[str], Path], name: str) -> None:
    browser.open(pages(name))
    printed = browser.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
    content = base64.b64decode(printed["data"])
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", content)) <= 6
    width, height = map(float, re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", content).groups())
    assert width == pytest.approx(595, abs=2)
    assert height == pytest.approx(842, abs=2)
    browser.open(pages(name), 703, 1030, media="print")  # A4 less its margins
    assert browser.run(BOTTOM.format(".front, .answer")) <= 1030


def test_the_list_of_settings_leads_to_each(browser: Any, pages: Callable[[str], Path]) -> None:
    browser.open(pages("several_settings"))
    links = browser.run("[...document.querySelectorAll('.settings a')].map((each) => each.getAttribute('href'))")
    assert links == ["#setting-1", "#setting-2", "#setting-3"]
    assert browser.run("[...document.querySelectorAll('.setting')].map((each) => '#' + each.id)") == links
    assert browser.problems() == []


def test_a_link_opens_what_is_folded_and_a_button_copies(browser: Any, pages: Callable[[str], Path]) -> None:
    browser.open(pages("own_rows"))
    assert not browser.run("document.querySelector('#reproduce').closest('details').open")
    browser.run("location.hash = 'reproduce'")
    browser.run("new Promise((done) => setTimeout(done, 50))")
    assert browser.run("document.querySelector('#reproduce').closest('details').open")
    blocks, buttons = (browser.run(f"document.querySelectorAll('{each}').length") for each in ("pre", "pre .copy"))
    assert blocks == buttons > 40


def test_rows_of_the_paper_that_nobody_ran_are_folded_and_unfold_without_scripts(
    browser: Any, pages: Callable[[str], Path]
) -> None:
    shown = "[...document.querySelectorAll('#table-8 tbody tr')].filter((each) => each.clientHeight).length"
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages("no_effect"))
        assert browser.run(shown) == 2
        browser.run("document.querySelector('#unrun-8').click()")
        assert browser.run(shown) == 7
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def _axe() -> Path:
    """axe-core, which is no part of this project: ``npm install axe-core``, or a path in ``AXE_CORE``."""
    places = [os.environ.get("AXE_CORE", ""), Path(__file__).parents[3] / "node_modules/axe-core/axe.min.js"]
    found = next((Path(place) for place in places if place and Path(place).is_file()), None)
    if found is None:
        pytest.skip("there is no axe-core here (npm install axe-core, or its axe.min.js in AXE_CORE)")
    return found


@pytest.mark.parametrize("name", [*STUDIES, "several_settings"])
def test_axe_finds_nothing(browser: Any, pages: Callable[[str], Path], name: str) -> None:
    script = _axe().read_text(encoding="utf-8")
    for width, features in ((1280, []), (390, DARK)):
        browser.open(pages(name), width, features=features)
        browser.run(OPEN)
        browser.call("Runtime.evaluate", expression=script)
        ask = "axe.run().then((found) => JSON.stringify(found.violations.map((each) => [each.id, each.nodes[0].html])))"
        answer = browser.call("Runtime.evaluate", expression=ask, awaitPromise=True, returnByValue=True)
        assert json.loads(answer["result"]["value"]) == []
