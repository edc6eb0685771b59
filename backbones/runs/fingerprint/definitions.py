"""The definitions of a module, each as what it is: without comments, docstrings, annotations, and without names.

A definition is a function, a class or an assignment at the top of a module. Its *essence* is its code with every name
that the module or an import gives a meaning replaced by a number, and its *references* are what those numbers stand
for. So neither where a definition lies nor what it and its neighbours are called is part of it. What a module does when
it is imported (calls, registrations, ``if``) has an essence, too, and is an *effect*.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from backbones.runs.fingerprint.resolver import Resolver
from backbones.runs.fingerprint.scopes import (
    Reference,
    bound,
    drop_docstring,
    imported,
    is_docstring,
    is_for_types,
    is_import,
    is_text,
    module_file,
)

PLAIN_DECORATORS = ("dataclass", "cache", "lru_cache", "contextmanager")  # they make something, and register nothing


@dataclass(frozen=True)
class Definition:
    """``names`` are those that it binds, in order; an effect binds none. ``loads`` are modules it imports itself."""

    names: tuple[str, ...]
    essence: str
    references: tuple[Reference, ...]
    loads: tuple[Path, ...] = ()


@dataclass
class Module:
    """One file.

    Attributes:
        bindings: What a name at its top means: of an import the reference, or the dotted name of something foreign.
        definitions: By each name that they bind.
        effects: What happens on import, definitions with a decorator that may register them among it.
        imports: The project's modules that are loaded with it.
        digest: SHA-256 of the bytes that were read.
    """

    bindings: dict[str, Reference | str] = field(default_factory=dict)
    definitions: dict[str, Definition] = field(default_factory=dict)
    effects: list[Definition] = field(default_factory=list)
    imports: list[Path] = field(default_factory=list)
    digest: str = ""


@cache
def read_module(path: Path, root: Path) -> Module:
    """The definitions of a file.

    Raises:
        OSError: It cannot be read.
        SyntaxError: It is no Python.
    """
    content = path.read_bytes()
    statements = ast.parse(content).body
    module = Module(digest=hashlib.sha256(content).hexdigest())
    defined = {name for statement in statements for name in bound(statement)}
    for statement in statements:
        for name, meaning, loaded in imported(statement, root):
            module.bindings[name] = meaning
            module.imports += loaded
    for statement in statements:
        if is_import(statement) or is_docstring(statement) or is_for_types(statement):
            continue
        names = tuple(dict.fromkeys(bound(statement)))
        registers = _may_register(statement)  # before names give way to what they mean
        found = _define(statement, names, module.bindings, {name: Reference(path, name) for name in defined}, root)
        module.definitions |= dict.fromkeys(names, found)
        if not names or registers:
            module.effects.append(found)
    return module


def words(path: Path, root: Path) -> list[Path]:
    """The project's modules that strings of a file name: ``custom_imports`` of a configuration."""
    strings = (str(node.value) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if is_text(node))
    return [found for text in strings if (found := module_file(root, text))]


def bare_code(path: Path, root: Path) -> str:
    """A configuration as code without comments, docstrings and layout, and without names of this project's modules."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        drop_docstring(node)
        if is_text(node) and module_file(root, str(node.value)):
            node.value = "a module"
    return ast.unparse(tree)


def _define(
    statement: ast.stmt,
    names: tuple[str, ...],
    bindings: Mapping[str, Reference | str],
    own: Mapping[str, Reference],
    root: Path,
) -> Definition:
    resolver = Resolver(names, {**bindings, **own}, root)
    resolved = resolver.visit(statement)
    if isinstance(resolved, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        resolved.name = "own0"
    return Definition(names, ast.unparse(resolved), tuple(resolver.references), tuple(resolver.loads))


def _may_register(statement: ast.stmt) -> bool:
    """Whether a statement that binds names does more on import than that."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        called = (each.func if isinstance(each, ast.Call) else each for each in statement.decorator_list)
        return any(getattr(each, "id", None) not in PLAIN_DECORATORS for each in called)
    return not isinstance(statement, (ast.Assign, ast.AnnAssign)) or any(
        not isinstance(target, (ast.Name, ast.Tuple)) for target in getattr(statement, "targets", [])
    )
