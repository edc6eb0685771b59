"""The page in a real Chromium: it shows, sorts and filters, says nothing on the console and asks nobody anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from studies.comparison.compare import compare_runs
from studies.report.page import write_page

pytestmark = pytest.mark.processes

OPEN = "for (const each of document.querySelectorAll('details')) each.open = true"
COLUMN = "[...document.querySelectorAll('#all-numbers tbody tr:not([hidden])')].map((row) => row.cells[{}].innerText)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture
def index(page: Path, add_run: Callable[..., Path]) -> Path:
    """A page of three rows, written once."""
    written = page / "report" / "index.html"
    if not written.exists():
        for seed in range(3):
            for recipe, value, noise in (("b-standard", 50.0, 0.3), ("d-smooth", 9.5, 0.1), ("d-mixup", 61.0, 0.2)):
                values = (value + noise * (seed - 1), value)
                add_run(page, "detection", recipe, values, seed, backbone={"seed": seed, "top1": 60 + value / 10})
        write_page(compare_runs(page), page / "report")
    return written


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_it_shows_without_a_sound_and_without_going_sideways(browser: Any, index: Path, width: int) -> None:
    browser.open(index, width)
    assert browser.problems() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [index.as_uri()]
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.run("document.querySelector('#answer').innerText.startsWith('Detection (mAP 07): ')")
    assert browser.run(
        "[...document.querySelectorAll('main svg')].every((each) => each.getBoundingClientRect().width > 200)"
    )


def test_numbers_sort_as_numbers_both_ways(browser: Any, index: Path) -> None:
    browser.open(index)
    browser.run(OPEN)
    press = "[...document.querySelectorAll('#all-numbers th button')].find((b) => b.innerText.includes('mean')).click()"
    browser.run(press)
    once = [cell.split()[0] for cell in browser.run(COLUMN.format(4))]
    numbers = [float(cell) for cell in once if cell[0].isdigit()]
    assert numbers == sorted(numbers)
    assert numbers[0] == 9.5  # as words, 50 would come before it
    assert len(numbers) > 5
    browser.run(press)
    again = [float(cell.split()[0]) for cell in browser.run(COLUMN.format(4)) if cell[0].isdigit()]
    assert again == numbers[::-1]
    assert browser.run("document.querySelector('#all-numbers th[aria-sort]').ariaSort") == "descending"
    assert browser.problems() == []


TABLE = "[...document.querySelectorAll('#table-8 tbody tr')].map((row) => row.cells[{}].innerText.split(/\\s/)[0])"
PRESS = "document.querySelectorAll('#table-8 thead tr:last-child th')[{}].querySelector('button').click()"


def test_the_papers_tables_sort_below_their_groups_of_columns(browser: Any, index: Path) -> None:
    browser.open(index)
    names, verdicts = browser.run(TABLE.format(1)), browser.run(TABLE.format(5))
    assert names[0] == "b-standard"
    browser.run(PRESS.format(3))  # differences of these runs; rows without one stay at the end
    assert browser.run(TABLE.format(3))[:2] == ["\u221240.50", "+11.00"]
    assert browser.run(TABLE.format(1))[:2] == ["d-smooth", "d-mixup"]
    assert browser.run("document.querySelectorAll('#table-8 [aria-sort]').length") == 1
    browser.run(PRESS.format(3))
    assert browser.run(TABLE.format(1))[:2] == ["d-mixup", "d-smooth"]
    browser.run(PRESS.format(5))  # verdicts in the order of their rules, and not by the number of seeds below them
    assert sorted(verdicts) != verdicts
    assert browser.run(TABLE.format(5))[:2] == ["\u2713", "\u2715"]
    browser.run(PRESS.format(0))  # as it was, but for the rows without a number
    assert browser.run(TABLE.format(1))[:3] == [name for name in names if name in ("b-standard", "d-smooth", "d-mixup")]
    assert browser.run("document.querySelectorAll('#table-8 .groups button').length") == 0
    assert browser.problems() == []


def test_a_shadow_shows_on_which_sides_a_wide_table_goes_on(browser: Any, index: Path, tmp_path: Path) -> None:
    def darkness(table: str) -> int:
        """How much darker than the paper a row is at its right end, below its words."""
        browser.screenshot(tmp_path / "page.png")
        rows = f"[...document.querySelectorAll('#{table} tbody tr')].map((row) => row.getBoundingClientRect())"
        row = f"{rows}.filter((place) => place.height).at(-2)"  # the last but one of those that are not folded away
        down = round(browser.run(f"{row}.bottom + window.scrollY - 3"))
        right = round(browser.run(f"document.querySelector('#{table}').parentNode.getBoundingClientRect().right - 3"))
        with Image.open(tmp_path / "page.png") as image:
            return 255 - image.convert("L").getpixel((right, down))

    browser.open(index, 700)  # below 640 there are cards in its place
    assert darkness("table-8") > 40
    browser.run("document.querySelector('#table-8').parentNode.scrollLeft = 9999")
    assert darkness("table-8") < 3
    browser.open(index, 1280)
    browser.run(OPEN)
    assert browser.run("document.querySelector('#proofs').parentNode.scrollWidth") < 1280
    assert darkness("proofs") < 3


def test_the_filter_keeps_lines_with_all_its_words(browser: Any, index: Path) -> None:
    browser.open(index)
    browser.run(OPEN)
    everything = len(browser.run(COLUMN.format(0)))
    find = "document.querySelector('input[type=search]')"
    fill = find + ".value = '{}'; " + find + ".dispatchEvent(new Event('input'))"
    browser.run(fill.format("SMOOTH map"))
    assert browser.run(COLUMN.format(0)) == ["d-smooth", "d-smooth"]
    assert browser.run("document.querySelector('output').innerText") == f"2 of {everything} lines"
    browser.run(fill.format(""))
    assert len(browser.run(COLUMN.format(0))) == everything


def test_it_reads_the_same_without_scripts(browser: Any, index: Path) -> None:
    browser.open(index)
    words = "document.querySelector('#tables').innerText"
    with_scripts = browser.run(words)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(index)
        assert browser.run(words) == with_scripts
        assert browser.run("document.querySelector('.tools').hidden")
        assert browser.run("document.querySelectorAll('th button').length") == 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_it_is_dark_where_that_is_wished_and_white_on_paper(browser: Any, index: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.open(index, features=dark)
    assert browser.run(ground) == "rgb(18, 23, 29)"
    browser.open(index, features=dark, media="print")
    assert browser.run(ground) == "rgb(255, 255, 255)"
    assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    browser.open(index)


def test_the_console_is_watched(browser: Any, tmp_path: Path) -> None:
    """What the tests above rely on: an error and a request to elsewhere are noticed."""
    (tmp_path / "bad.html").write_text("<img src='http://127.0.0.1:9/x.png'><script>undefined.x</script>")
    browser.open(tmp_path / "bad.html")
    assert any("exceptionDetails" in str(event) for event in browser.problems())
    assert any("127.0.0.1" in url for url in browser.requests())
