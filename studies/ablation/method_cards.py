"""Method cards: a page per refinement, made from its module, the recipes, and measurements."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbones.files import read_json, write_bytes
from backbones.recipes.recipe import RECIPES
from backbones.recipes.switches import is_on
from backbones.tricks import TRICKS

INDEX = """# Method cards

Made by `python tools/make_cards.py` from the modules of `backbones/tricks/`, the recipes and `measured.json`, which
`python tools/make_cards.py --ablation DIR` takes from a study of `tools/ablate.py` ([how](../ablation.md)).
"""
RULE = re.compile(r"^=+  =+$")


def module_name(trick: str) -> str:
    """The module of a trick that is switched by ``trick``."""
    return f"backbones.tricks.{trick.replace('-', '_')}"


def card(trick: str, measured: Mapping[str, Any] | None) -> str:
    """The card of one trick as Markdown.

    The module's docstring gives title, text and facts; the switch and the recipes that have it on come from the code.
    ``measured`` is this trick's entry of ``docs/tricks/measured.json``, None as long as nothing was measured.
    """
    title, before, facts, after = _parse(importlib.import_module(module_name(trick)).__doc__ or "")
    rows = [("module", f"`{module_name(trick).replace('.', '/')}.py`"), ("switch", _switch(trick)), *facts.items()]
    rows += [("recipes", _recipes(trick)), ("measured", _measured(measured))]
    table = ["| | |", "| --- | --- |", *(f"| {name} | {text.replace('|', chr(92) + '|')} |" for name, text in rows)]
    return "\n\n".join([f"# {title}", *before, "\n".join(table), *after]) + "\n"


def _parse(docstring: str) -> tuple[str, list[str], dict[str, str], list[str]]:
    """Title, paragraphs before the table, the table, and paragraphs after it."""
    lines = docstring.strip().splitlines()
    first, last = (index for index, line in enumerate(lines) if RULE.match(line))
    facts: dict[str, str] = {}
    name = ""
    for line in lines[first + 1 : last]:
        head, text = line[:11].strip(), line[11:].strip()
        if head:
            name, facts[head] = head, text
        else:
            facts[name] += f" {text}"
    title, *before = _paragraphs(lines[:first])
    return title, before, {name: _code(text) for name, text in facts.items()}, _paragraphs(lines[last + 1 :])


def _paragraphs(lines: list[str]) -> list[str]:
    return [_code(" ".join(part.split("\n"))) for part in "\n".join(lines).strip().split("\n\n") if part]


def _code(text: str) -> str:
    return text.replace("``", "`")


def _switch(trick: str) -> str:
    switch = TRICKS[trick]
    value = f" or `--with {trick}=VALUE` (the paper's: {switch.on:g})" if switch.lowest is not None else ""
    return f"`--with {trick}`{value}, `--without {trick}`"


def _recipes(trick: str) -> str:
    names = [f"`{recipe.name}`" for recipe in RECIPES.values() if is_on(recipe, trick)]
    return f"on in {', '.join(names)}" if names else "on in none"


def _measured(measured: Mapping[str, Any] | None) -> str:
    if measured is None:
        return "not yet"
    return f"{measured['text']} (`{measured['command']}`, {measured['hardware']})"


def write_cards(folder: Path) -> list[Path]:
    """Write every card and their index into ``folder``, which may hold ``measured.json``; returns what was written."""
    known = folder / "measured.json"
    measured = read_json(known) if known.exists() else {}
    index, written = [], []
    for trick in TRICKS:
        text = card(trick, measured.get(trick))
        path = folder / f"{trick}.md"
        write_bytes(path, text.encode())
        index.append(f"- [{trick}]({path.name}): {text.splitlines()[0].removeprefix('# ')}")
        written.append(path)
    write_bytes(folder / "README.md", "\n".join([INDEX, *index, ""]).encode())
    return [*written, folder / "README.md"]
