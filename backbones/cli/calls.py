"""Calls from Python: arguments that a function does not take are told in one line, as a command tells its options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from types import FunctionType
from typing import Any, get_origin, get_type_hints

from backbones.cli.keywords import as_path, choices, converted, is_list_of_texts, require_arguments
from backbones.errors import UserError

_PLAIN = (bool, int, float, str)


def told(function: FunctionType, package: str) -> Callable[..., Any]:
    """A function whose calls are checked first: the names and the number of arguments, and plain values' types.

    What takes any keyword (``takes_keywords_of``) checks the values itself.

    Args:
        function: One that a package exports.
        package: Its name. The result is found there, so that other processes find it too.

    Returns:
        The function with its help. It raises ``UserError`` for an argument that it lacks, does not know, or that is of
        another type.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def checked(*given: Any, **named: Any) -> Any:
        _check_values(function, _by_name(function.__name__, signature, given, named))
        return function(*given, **named)

    checked.__module__ = package
    return checked


def _by_name(
    function: str, signature: inspect.Signature, given: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """All arguments of a call by name."""
    parameters = signature.parameters
    by_place = [name for name, each in parameters.items() if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    if len(given) > len(by_place):
        way = f"no more without a name than {', '.join(by_place)}" if by_place else "every argument by its name"
        raise UserError(f"{function}() takes {way}; {len(given)} came without one")
    placed = dict(zip(by_place[: len(given)], given, strict=True))
    if twice := [name for name in placed if name in named]:
        raise UserError(f"{function}() has {twice[0]!r} twice, by its place and by its name; give it once")
    arguments = {**placed, **named}
    needed = {name: each.default is inspect.Parameter.empty for name, each in parameters.items()}
    require_arguments(function, needed, arguments)
    return arguments


def _check_values(function: FunctionType, arguments: Mapping[str, Any]) -> None:
    def annotated() -> None:
        """Without what the function returns, which may be a name for type checkers alone."""

    annotated.__annotations__ = {name: kind for name, kind in function.__annotations__.items() if name in arguments}
    kinds = get_type_hints(annotated, function.__globals__)
    first = next(iter(arguments), None)
    for name, kind in kinds.items():
        value = arguments[name]
        call = f"{function.__name__}({'' if name == first else f'{name}='}{value!r})"
        _check_value(call, choices(kind), value)


def _check_value(call: str, kinds: Sequence[Any], value: Any) -> None:
    """Nothing is said of kinds that only the function itself knows."""
    if value is None and type(None) in kinds:
        return
    if any(kind is Path or get_origin(kind) is os.PathLike for kind in kinds):
        as_path(call, value)
    elif kinds[0] in _PLAIN:
        converted(call, kinds[0], value)
    elif kinds[0] == Sequence[str] and not is_list_of_texts(value):
        raise UserError(f"{call}: a list of texts is wanted")
    elif kinds[0] == Mapping[str, str] and not (
        isinstance(value, Mapping) and is_list_of_texts([*value, *value.values()])
    ):
        raise UserError(f"{call}: a dictionary of texts by text is wanted")
