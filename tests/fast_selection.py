"""``pytest --fast``: the tests that need neither OpenMMLab nor another process. Found by what their modules import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("backbones", "transfer", "studies", "benchmarks", "tools")
OPENMMLAB = ("mmengine", "mmcv", "mmdet", "mmseg")
STARTS_PROCESSES = ("subprocess", "multiprocessing", "torch.multiprocessing", "torch.distributed", "forked_tools")
LEFT_OUT = ("slow", "processes", "gpu", "realdata")  # markers


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--fast``."""
    parser.addoption("--fast", action="store_true", help="without OpenMMLab, other processes, and what is slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``--fast``, a module that is not fast is not even imported."""
    is_test = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    return True if config.getoption("--fast") and is_test and not is_fast(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--fast``, without those that a marker leaves out."""
    if config.getoption("--fast"):
        left_out = [item for item in items if any(item.get_closest_marker(name) for name in LEFT_OUT)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def is_fast(path: Path) -> bool:
    """Whether neither a test module nor what it imports starts processes, and nothing, at any depth, is OpenMMLab's."""
    tested = [file for name in imports(path) for file in files_of(name)]
    if any(_within(name, STARTS_PROCESSES) for file in (path, *tested) for name in imports(file)):
        return False
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in imports(file):
            if _within(name, OPENMMLAB):
                return False
            waiting += files_of(name)
    return True


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Dotted names that a file imports, inside functions too."""
    return tuple(_imports(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def files_of(name: str) -> tuple[Path, ...]:
    """The project's files that importing a name runs: of the module, and of the packages around it."""
    if not _within(name, ROOMS):
        return ()
    parts = name.split(".")
    packages = [ROOT.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return tuple(file for file in (*packages, ROOT.joinpath(*parts).with_suffix(".py")) if file.is_file())


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
