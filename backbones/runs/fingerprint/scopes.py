"""Which names Python code binds and imports, and where: what resolving a name needs to know of scopes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

PACKAGES = ("backbones", "transfer", "studies", "tools")


@dataclass(frozen=True)
class Reference:
    """What a name of this project's code stands for.

    Attributes:
        module: A file.
        name: A name at its top; None for the whole module.
    """

    module: Path
    name: str | None = None


def module_file(root: Path, name: str) -> Path | None:
    """The file of a module of this project; None for others."""
    if name.partition(".")[0] not in PACKAGES:
        return None
    place = root.joinpath(*name.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def imported(statement: ast.stmt, root: Path) -> Iterator[tuple[str, Reference | str, list[Path]]]:
    """Of an import, every name that it binds, what that means, and the project's modules that it loads."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            bound = alias.name if alias.asname else alias.name.partition(".")[0]
            file = module_file(root, bound)
            yield alias.asname or bound, Reference(file) if file else bound, _loaded(alias.name, root)
    elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
        file = module_file(root, statement.module)
        for alias in statement.names:
            whole = f"{statement.module}.{alias.name}"
            inner = module_file(root, whole)
            meaning = Reference(inner) if inner else Reference(file, alias.name) if file else whole
            yield alias.asname or alias.name, meaning, _loaded(whole, root)


def _loaded(name: str, root: Path) -> list[Path]:
    """The project's modules behind a dotted name, packages on the way included."""
    parts = name.split(".")
    files = (module_file(root, ".".join(parts[:end])) for end in range(1, len(parts) + 1))
    return [file for file in files if file]


def inner_module(module: Path, name: str) -> Path | None:
    """The module of that name in a package; None for another name, or in what is no package."""
    if module.name != "__init__.py":
        return None
    return next(
        (path for path in (module.parent / f"{name}.py", module.parent / name / "__init__.py") if path.is_file()), None
    )


def bound(statement: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module or class binds, but for imports."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    return [] if is_import(statement) else list(stored([statement]))


def stored(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Names that are assigned in these nodes, but not inside functions or classes in them."""
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
            yield from stored(node.body)
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            yield from stored(list(ast.iter_child_nodes(node)))


def own_statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements of a function, also of its ``if`` and ``try``, but not those of functions inside it."""
    for statement in body:
        yield statement
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = (child for child in ast.walk(statement) if isinstance(child, ast.stmt) and child is not statement)
            yield from inner


def arguments(arguments: ast.arguments) -> list[ast.arg]:
    single = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *single]


def is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Import, ast.ImportFrom))


def is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def is_for_types(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and getattr(statement.test, "id", None) == "TYPE_CHECKING"


def is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def drop_docstring(node: ast.AST) -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]
