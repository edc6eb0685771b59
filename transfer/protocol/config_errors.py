"""One message out of whatever a framework raises over a configuration that it cannot build."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from backbones.errors import UserError
from backbones.machine.lacks import lack_behind

UNKNOWN = re.compile(r"(?:(\w+)(?:\.__init__)?\(\) )?got an unexpected keyword argument '(\w+)'")
LONGEST = 400  # characters of the framework's own words; a registry prints whole configurations


@contextmanager
def named_as(sections: Sequence[str], config: str, options: Sequence[str]) -> Iterator[None]:
    """Turn any error inside into one that names the place in the configuration.

    Args:
        sections: Top-level settings that are read inside.
        config: Path of the configuration file.
        options: ``key=value`` options of the command line; those of the sections are named, all if none is of them.

    Raises:
        UserError: Instead of any other exception; one that is already a ``UserError`` passes.
        Exception: As it is, when the machine is at fault, or the name of a file (``backbones.machine.lacks``).
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a registry calls classes of three frameworks, and they raise what they like
        if isinstance(error, (BrokenPipeError, UnicodeEncodeError)) or lack_behind(error) is not None:
            raise
        if unknown := UNKNOWN.search(str(error)):
            maker, name = unknown.groups()
            named = next((each for each in options if each.partition("=")[0].split(".")[-1] == name), "")
            place = f"--cfg-options {named}" if named else ", ".join(sections)
            raise UserError(
                f"{config}: {place}: {maker or 'it'} has no option {name!r}; correct or remove it"
            ) from error
        close = [option for option in options if option.partition("=")[0].split(".")[0] in sections] or list(options)
        given = f" with --cfg-options {' '.join(close)}" if close else ""
        raise UserError(f"{config}: {', '.join(sections)} cannot be used{given}: {_words(error)}") from error


def _words(error: Exception) -> str:
    """Type and message on one line; the message of a ``KeyError`` is its argument, which ``str`` would quote."""
    message = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return textwrap.shorten(f"{type(error).__name__}: {message}", LONGEST, placeholder=" …")
