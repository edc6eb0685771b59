"""The benchmarks there are: every file in ``benchmarks/cases`` and the folders in it.

One file is one benchmark. Its docstring becomes the text of its section; it holds

    TITLE = "..."                                    the heading
    QUICK = True                                     whether ``--quick`` includes it
    def measure(settings: Settings) -> Findings      the work
    def draw(found: Findings) -> Figure              a picture below the tables; most have none
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from types import ModuleType

from backbones.errors import UserError, did_you_mean
from benchmarks import cases


def names() -> list[str]:
    """All benchmarks, in alphabetical order."""
    return sorted(_places())


def load(name: str) -> ModuleType:
    """The module of one benchmark."""
    return importlib.import_module(_places()[name])


def _places() -> dict[str, str]:
    """By the last part of its name, the module of each."""
    found = pkgutil.walk_packages(cases.__path__, f"{cases.__name__}.")
    return {module.name.rpartition(".")[2]: module.name for module in found if not module.ispkg}


def choose(asked: Sequence[str], quick: bool) -> list[str]:
    """The benchmarks asked for; without any, all, or of those the quick ones.

    Raises:
        UserError: There is no benchmark of that name.
    """
    there = names()
    for name in asked:
        if name not in there:
            raise UserError(f"no benchmark {name}; {did_you_mean(name, there)}there are {', '.join(there)}")
    return list(asked) or [name for name in there if load(name).QUICK or not quick]
