"""Names that a package offers from Python, loaded when they are first asked for (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import FunctionType
from typing import Any


def load_export(package: str, places: Mapping[str, str], name: str) -> Any:
    """What a package's ``__getattr__`` answers; a function's wrong arguments are told (``backbones.cli.calls``).

    Args:
        package: Its ``__name__``.
        places: Name to "MODULE:NAME", with the module seen from the package: ".bundles.bundle:read_bundle". (Code that
            names a module in full counts as a use of it: ``backbones.runs.fingerprint``.)
        name: What is asked for.

    Raises:
        AttributeError: The package does not offer it.
    """
    if name not in places:
        raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
    module, _, inner = places[name].partition(":")
    found = getattr(import_module(module, package), inner)
    if isinstance(found, FunctionType):
        from backbones.cli.calls import told

        found = told(found, package)
    setattr(sys.modules[package], name, found)  # the next time nobody asks here
    return found
