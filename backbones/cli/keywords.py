"""Options from Python: keyword arguments, checked as the commands check theirs, with errors of one line."""

from __future__ import annotations

import argparse
import inspect
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from backbones.errors import UserError, did_you_mean

Request = TypeVar("Request")
Function = TypeVar("Function", bound=Callable[..., Any])
Limits = Mapping[str, Callable[[str], Any]]


def one_of(*names: str) -> Callable[[str], str]:
    """A limit: one of these names."""

    def check(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{did_you_mean(text, names)}choose from {', '.join(names)}")
        return text

    return check


def takes_keywords_of(request: type, **defaults: Any) -> Callable[[Function], Function]:
    """Have ``help`` and notebooks show the fields of a request where a function takes ``**options``.

    Args:
        request: A dataclass.
        defaults: Where the function has others than the fields.
    """
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(
            each.name,
            keyword,
            default=defaults.get(each.name, inspect.Parameter.empty if each.default is MISSING else each.default),
            annotation=each.type,
        )
        for each in fields(request)
    ]

    def decorate(function: Function) -> Function:
        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return function

    return decorate


def read_keywords(function: str, request: type[Request], given: Mapping[str, Any], limits: Limits) -> Request:
    """The request that keyword arguments make.

    Args:
        function: Whose they are, for messages.
        request: A dataclass; paths may be given to its texts, texts to its paths, any sequence to its tuples.
        given: The arguments by name.
        limits: By name, what a command checks the option's text with: raises ``argparse.ArgumentTypeError``.

    Raises:
        UserError: A name that there is not, one that is missing, or a value of another type or out of its limits.
    """
    known = {each.name: each.default is MISSING for each in fields(cast(Any, request))}
    require_arguments(function, known, given)
    kinds = get_type_hints(request)
    values = {name: converted(f"{function}({name}={value!r})", kinds[name], value) for name, value in given.items()}
    for name, value in values.items():
        if value is not None and name in limits:
            try:
                limits[name](str(value))
            except argparse.ArgumentTypeError as error:
                raise UserError(f"{function}({name}={value!r}): {error}") from None
    return request(**values)


def require_arguments(function: str, known: Mapping[str, bool], given: Iterable[str]) -> None:
    """See that a call has the arguments that it needs, and no other than those there are.

    Args:
        function: Its name.
        known: By name whether the argument is needed.
        given: Names.

    Raises:
        UserError: One is unknown, or some are missing.
    """
    given = list(given)
    for name in given:
        if name not in known:
            raise UserError(f"{function}() has no {name!r}; {did_you_mean(name, known)}it takes {', '.join(known)}")
    missing = [name for name, needed in known.items() if needed and name not in given]
    if missing:
        raise UserError(f"{function}() needs {', '.join(f'{name}=' for name in missing)}")


def as_path(call: str, value: Any) -> Path:
    """A path that somebody gave.

    Args:
        call: The function with its argument, for the message.
        value: Text or path.

    Raises:
        UserError: It is neither.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise UserError(f"{call}: a path is wanted, not {_article(value)}")
    return Path(value)


def is_list_of_texts(value: Any) -> bool:
    """Whether a value is a list of texts or the like; a text by itself, whose letters are texts, is not."""
    listed = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    return listed and all(isinstance(each, str) for each in value)


def choices(kind: Any) -> tuple[Any, ...]:
    """The kinds that an annotation allows."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def converted(call: str, kind: Any, value: Any) -> Any:
    """A value as a field or an argument has it.

    Args:
        call: The function with its argument, for the message.
        kind: What the annotation says; of several kinds the first counts, and None.
        value: What somebody gave.

    Raises:
        UserError: It is of another type.
    """
    kinds = choices(kind)
    if value is None and type(None) in kinds:
        return None
    kind = kinds[0]
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if kind is float and isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    if kind in (str, Path) and isinstance(value, (str, os.PathLike)):
        return kind(value)
    if kind is Path and Sequence[Path] in kinds and isinstance(value, Sequence) and value:
        return tuple(as_path(call, each) for each in value)
    if kind not in _WANTED and is_list_of_texts(value):
        return tuple(value)
    raise UserError(f"{call}: {_WANTED.get(kind, 'a list of texts')} is wanted, not {_article(value)}")


_WANTED = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def _article(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
