r"""A configuration as Python text that holds the configuration and nothing else.

mmengine replaces ``{{$HOME:x}}``, ``{{fileDirname}}`` and the like anywhere in a file before it reads it, so no two
braces are left beside each other: in a string they are written ``\x7b\x7b``, in a comment with a blank between them.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from mmengine.config import Config

from backbones.errors import UserError
from backbones.reporting.printable import printable

_BRACES, _WRITTEN_OUT = "{{", r"\x7b\x7b"


def source_text(config: Config) -> str:
    """The configuration as a file for ``Config.fromfile``, with no code in it but assignments of plain values.

    The text is read back, without running it, and compared: whatever its values are, it does not leave here as
    something else.

    Raises:
        UserError: A value or a key that has no such text; the message names the setting.
    """
    try:
        text = config.pretty_text.replace(_BRACES, _WRITTEN_OUT)
        statements = ast.parse(text).body
    except SyntaxError:
        raise UserError("the configuration has a key or a value that cannot be written as Python") from None
    found = dict(map(_assigned, statements))
    for name, value in config.to_dict().items():
        if name not in found or found[name] != value:
            raise _not_plain(name)
    if surplus := found.keys() - config.to_dict().keys():
        raise _not_plain(min(surplus))
    return text


def literal(value: Any) -> str:
    """A plain value as it is written in such a file; words in double quotes, as OpenMMLab's documents have them."""
    quoted = json.dumps(value) if isinstance(value, str) and value.isascii() else repr(value)
    return quoted.replace(_BRACES, _WRITTEN_OUT)


def comment(text: object) -> str:
    """A text of others for a comment in such a file."""
    return re.sub(r"\{(?=\{)", "{ ", printable(text))


def _assigned(statement: ast.stmt) -> tuple[str, Any]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            try:
                return name, _plain(value)
            except ValueError:
                raise _not_plain(name) from None
    raise _not_plain(ast.unparse(statement).splitlines()[0])


def _plain(node: ast.expr) -> Any:
    """The value of an expression that is made of literals and ``dict(...)``.

    Raises:
        ValueError: There is something else in it.
    """
    match node:
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords) if all(each.arg for each in keywords):
            return {each.arg: _plain(each.value) for each in keywords}
        case ast.Call(func=ast.Name(id="dict"), args=[ast.Dict() as inner], keywords=[]):  # of keys that are no words
            return _plain(inner)
        case ast.Dict(keys=keys, values=values) if all(keys):
            return {ast.literal_eval(key): _plain(value) for key, value in zip(keys, values, strict=True) if key}
        case ast.List(elts=elements):
            return [_plain(element) for element in elements]
        case ast.Tuple(elts=elements):
            return tuple(_plain(element) for element in elements)
    return ast.literal_eval(node)


def _not_plain(name: str) -> UserError:
    return UserError(f"{name} holds a key or a value that cannot be written as Python")
