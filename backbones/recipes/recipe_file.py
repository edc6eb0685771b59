"""A recipe of a user's own from a YAML file: fields of ``Recipe`` by name, on top of a ``base`` or of the baseline."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from backbones.cli.yaml_section import Section, read_yaml
from backbones.errors import UserError
from backbones.recipes.checked import check_recipe
from backbones.recipes.recipe import Recipe, find_recipe

SUFFIXES = (".yaml", ".yml")
BASE = "base"


def is_recipe_file(said: str) -> bool:
    """Whether what is given for a recipe is a file, and no name."""
    return said.endswith(SUFFIXES)


def chosen_recipe(said: str) -> Recipe:
    """The recipe that a user asks for by name or by file; never to be asked with what a run says of itself.

    Raises:
        UserError: There is no such recipe, or the file is not one.
    """
    return read_recipe(Path(said)) if is_recipe_file(said) else find_recipe(said)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file. ``name`` is its own; what the file leaves out is as in ``base``, or in the baseline.

    Raises:
        UserError: No such file, or a key or a value that is not what it should be; the message names file and key.
    """
    document = Section(path, "", read_yaml(path), (BASE, *(field.name for field in fields(Recipe))))
    if "name" not in document:
        document.error("name", "is missing; results go by it")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document.items() if key != BASE
    }
    try:
        name = document.text(BASE)
        base = find_recipe(name) if name else Recipe("", "")
        values.setdefault("summary", f"{f'{name} as' if name else 'as'} {path.name} has it")
        recipe = replace(base, **values)
        check_recipe(recipe)
    except UserError as error:
        raise UserError(str(error) if str(error).startswith(f"{path}: ") else f"{path}: {error}") from None
    return recipe
