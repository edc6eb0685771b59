"""The code that decides what a run's result is: one hash per tool, and protocol where one is given.

Of each tool, the modules of this project that it imports, directly or through others, wherever in a file the import
stands. Comments, docstrings and layout do not count, and neither does what only draws, prints or watches. Documents,
tests, the comparison and the suite itself are imported by no run, so changing them changes no hash. Every run records
its hash, and the report says where rows have different ones.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from backbones.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
SHORT = 12  # digits that a run records
PACKAGES = ("backbones", "transfer", "tools")
# Modules, with what is in them, that no metric depends on.
WATCHING = (
    *("backbones.code", "backbones.command", "backbones.drawing", "backbones.dry_run"),
    *("backbones.energy", "backbones.memory", "backbones.progress", "backbones.trackers"),
    *("transfer.announce", "transfer.dry_run", "transfer.pictures", "transfer.standalone", "transfer.tensorboard"),
    *("backbones.paper", "transfer.paper"),  # numbers to stand beside ours
)


@cache
def code_fingerprint(tool: str, protocol: Path | None = None, root: Path = ROOT) -> str:
    """SHA-256 over the code of a tool, and over a protocol with the files it is based on.

    Args:
        tool: Path of the tool below ``root``.
        protocol: Configuration file of a transfer.
        root: Folder of the project.

    Raises:
        UserError: The protocol, or a file that it is based on, cannot be read.
    """
    configurations = list(_with_bases(protocol)) if protocol else []
    named = {word for path in configurations for word in _words(path)}
    modules = _closure([root / tool, *filter(None, (_module(root, word) for word in named))], root)
    digest = hashlib.sha256()
    for path in (*sorted(modules), *sorted(configurations)):
        digest.update(f"{path.name}\0{_essence(path)}\0".encode())
    return digest.hexdigest()


def recorded_code(tool: str, protocol: Path | None = None) -> str | None:
    """The beginning of the hash, for ``run.json``; None for a protocol whose ``_base_`` only OpenMMLab can read."""
    try:
        return code_fingerprint(tool, protocol)[:SHORT]
    except UserError:
        return None


def _closure(files: Iterable[Path], root: Path) -> set[Path]:
    pending, found = list(files), set()
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            pending += [module for name in _imports(path) if (module := _module(root, name))]
    return found


def _imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports, packages on the way included; of ``from a import b`` both a and a.b."""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _module(root: Path, name: str) -> Path | None:
    """The file of a module of this project; None for others, and for those that only watch."""
    if name.partition(".")[0] not in PACKAGES or any(f"{name}.".startswith(f"{watching}.") for watching in WATCHING):
        return None
    place = root.joinpath(*name.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _with_bases(path: Path) -> Iterator[Path]:
    """A configuration and those of the project that its ``_base_`` names, all the way; ``mmdet::`` is a library's."""
    yield path
    try:
        body = _parsed(path).body
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not a readable configuration: {error}") from None
    for node in body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "_base_" for target in node.targets):
            try:
                bases = ast.literal_eval(node.value)
            except ValueError:
                raise UserError(f"{path}: _base_ is computed; write the names of its files out") from None
            for base in [bases] if isinstance(bases, str) else bases:
                if "::" not in base:
                    yield from _with_bases(path.parent / base)


def _words(path: Path) -> Iterator[str]:
    """Strings of a configuration: ``custom_imports`` names modules that nothing imports by a statement."""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _essence(path: Path) -> str:
    """The code without comments, docstrings and layout."""
    tree = _parsed(path)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node, clean=False
        ):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
