"""Tricks and recipes of a user's own, from a file that is given by name (``--plugin FILE.py``); docs/plugins.md.

The file is run: it can do all that its user can. So it is only ever loaded because somebody asks for it in a command or
a suite; runs and bundles record its SHA-256, and no name or path that could be followed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from backbones.errors import UserError
from backbones.machine.lacks import blame_machine
from backbones.recipes.checked import check_recipe
from backbones.recipes.recipe import RECIPES, Recipe
from backbones.tricks import TRICKS
from backbones.tricks.trick import Trick

TRICK_NAME = re.compile(r"[a-z][a-z0-9-]*")
_loaded: dict[Path, str] = {}  # what this process has loaded: the SHA-256 by file
_origins: dict[str, str] = {}  # and of which content each trick and recipe is, by name


def load_plugin(path: str | os.PathLike[str]) -> str:
    """Run a plugin, and add its ``TRICKS`` and ``RECIPES`` to those there are; once in a process for the same content.

    Returns:
        The SHA-256 of the file; of what the file imports nothing is known.

    Raises:
        UserError: It cannot be read, it fails, or it defines something that cannot be used.
    """
    file = Path(path)
    try:
        source = file.read_bytes()
    except OSError as error:
        blame_machine(error, f"--plugin {file}: cannot read it")
        raise UserError(f"--plugin {file}: cannot read it: {error.strerror}") from None
    digest = hashlib.sha256(source).hexdigest()
    if digest not in _loaded.values():
        _forget(_loaded.pop(file.resolve(), None))
        module = _run(file, source, digest)
        tricks, recipes = _table(file, module, "TRICKS", Trick), _table(file, module, "RECIPES", Recipe)
        if not tricks and not recipes:
            raise UserError(f"--plugin {file}: defines neither TRICKS nor RECIPES; docs/plugins.md has an example")
        _add(file, tricks, recipes)
        _loaded[file.resolve()] = digest
        _origins.update(dict.fromkeys((*tricks, *recipes), digest))
    return digest


def check_origin(asked: str, recipe: Recipe, digest: str | None) -> None:
    """Refuse what a plugin brought that this run does not name: an earlier run in the same process may have loaded it.

    Args:
        asked: The recipe's name as it was asked for.
        recipe: The recipe, its tricks switched.
        digest: Of the run's own plugin, if it has one.

    Raises:
        UserError: The recipe or one of its tricks is of another content than that.
    """
    for name in (asked, *recipe.tricks):
        if _origins.get(name, digest) != digest:
            raise UserError(f"{name} is of a plugin that this run does not name; give --plugin FILE.py")


def _forget(digest: str | None) -> None:
    """Take away what an earlier content of a file had brought."""
    for name in [name for name, origin in _origins.items() if origin == digest]:
        del _origins[name]
        TRICKS.pop(name, None)
        RECIPES.pop(name, None)


def _run(file: Path, source: bytes, digest: str) -> ModuleType:
    name = f"carryover_plugin_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None:
        raise UserError(f"--plugin {file}: is no Python file; its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look for it there
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        blame_machine(error, f"--plugin {file}: cannot run it")
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        where = lines[-1] if lines else getattr(error, "lineno", "?")
        raise UserError(f"--plugin {file}, line {where}: {type(error).__name__}: {error}") from error
    return module


def _table(file: Path, module: ModuleType, name: str, kind: type) -> dict[str, Any]:
    table = getattr(module, name, {})
    if not isinstance(table, Mapping):
        raise UserError(f"--plugin {file}: {name} is no dictionary; write {name} = {{'name': {kind.__name__}(...)}}")
    for key, entry in table.items():
        if not isinstance(entry, kind):
            raise UserError(f"--plugin {file}: {name}[{key!r}] is {entry!r} where a {kind.__name__} should be")
    return dict(table)


def _add(file: Path, tricks: Mapping[str, Trick], recipes: Mapping[str, Recipe]) -> None:
    """Add all, or none where one is wrong."""
    for name, trick in tricks.items():
        if problem := _trick_problem(name, trick):
            raise UserError(f"--plugin {file}: TRICKS[{name!r}]: {problem}")
    TRICKS.update(tricks)
    for name, recipe in recipes.items():
        try:
            check_recipe(recipe)
            if recipe.name != name:
                raise UserError(f"it calls itself {recipe.name!r}; give it the same name")
        except UserError as error:
            for each in tricks:
                del TRICKS[each]
            raise UserError(f"--plugin {file}: RECIPES[{name!r}]: {error}") from None
    RECIPES.update(recipes)


def _trick_problem(name: Any, trick: Trick) -> str | None:
    if not isinstance(name, str) or not TRICK_NAME.fullmatch(name):
        return "the name should be of small letters, digits and -"
    if name in TRICKS:
        return "there is such a trick already; give it another name"
    if trick.field is not None:
        return "field is for tricks of the paper; leave it out"
    if (trick.draw is None) != (trick.mix is None):
        return "draw and mix go together; give both or none"
    return None
