"""The method cards: complete, in step with the code, and honest about where their numbers come from."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from pathlib import Path

from pytest import mark, raises

from backbones.recipes.paper import load_paper
from backbones.tricks import TRICKS
from studies.ablation.method_cards import card, module_name, write_cards

CARDS = Path(__file__).resolve().parents[3] / "docs" / "tricks"


def test_committed_cards_are_what_the_code_makes(tmp_path: Path) -> None:
    if (CARDS / "measured.json").exists():
        shutil.copy(CARDS / "measured.json", tmp_path)
    for path in write_cards(tmp_path):
        assert (CARDS / path.name).read_text() == path.read_text(), f"{path.name}: run python tools/make_cards.py"


@mark.parametrize("trick", TRICKS)
def test_a_card_holds_every_fact(trick: str) -> None:
    rows = re.findall(r"^\| (\w+) \| .+ \|$", card(trick, None), flags=re.MULTILINE)
    assert set(rows) >= {"module", "switch", "formula", "default", "cost", "paper", "elsewhere", "recipes", "measured"}


@mark.parametrize("trick", [name for name, trick in TRICKS.items() if trick.field])  # those of the paper
def test_accuracies_in_a_docstring_are_the_papers(trick: str) -> None:
    """The one place of the paper's numbers is paper.json; what a docstring quotes from it must be in it."""
    text = importlib.import_module(module_name(trick)).__doc__ or ""
    paper = text[text.index("\npaper ") : text.index("\nelsewhere ")]
    known = set(re.findall(r"\d+\.\d+", json.dumps(load_paper()["tables"])))
    quoted = {number for number in re.findall(r"\d\d\.\d\d?", paper) if float(number) > 30}
    assert quoted
    assert {f"{float(number):g}" for number in quoted} <= {f"{float(number):g}" for number in known}


def test_a_measurement_appears_with_its_command() -> None:
    entry = {"text": "31.0 -> 32.5", "command": "python tools/ablate.py --data X", "hardware": "2 cores"}
    assert "31.0 -> 32.5 (`python tools/ablate.py --data X`, 2 cores)" in card("mixup", entry)


def test_a_docstring_without_table_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(importlib.import_module(module_name("mixup")), "__doc__", "Mixup.\n\nNo table.")
    with raises(ValueError, match="unpack"):
        card("mixup", None)
