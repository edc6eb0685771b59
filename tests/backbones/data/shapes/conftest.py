"""One small data set and single scenes, for all tests of the made-up data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backbones.data.shapes import OBJECT_CLASSES, make_shapes
from backbones.data.shapes.scene import DrawnScene, Style, compose_scene


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small complete data set."""
    return make_shapes(tmp_path_factory.mktemp("shapes") / "data", images=60, size=48)


@pytest.fixture(scope="session")
def compose() -> Callable[[int, int, Style], DrawnScene]:
    """A scene by its number, whose foremost object has class number modulo their count."""

    def make(number: int, size: int, style: Style) -> DrawnScene:
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([7, number])))
        return compose_scene(random, size, style, number % len(OBJECT_CLASSES))

    return make


@pytest.fixture(scope="session")
def tree_bytes() -> Callable[[Path], dict[str, bytes]]:
    """Path below a folder -> contents, for every file in it."""

    def read(root: Path) -> dict[str, bytes]:
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    return read
