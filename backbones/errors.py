"""The one exception type that means: the user can mend this."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

Value = TypeVar("Value")

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the shell's convention
EXIT_UNHEARD = 141  # 128 + SIGPIPE

_AS_SIMILAR = 0.1  # of difflib's ratio: further names than this below the best are no help


class UserError(Exception):
    """A mistake in an option, a file or a folder.

    The message names the culprit and says what to do about it. Command-line tools print it as a single line and exit
    with code 2; any other exception is a defect of this project and keeps its traceback.
    """


class MachineError(UserError):
    """What the machine or its settings lack, whatever file was at hand: no reason to doubt the file."""


class ToldError(UserError):
    """A ``UserError`` that another process of the same job prints: end as it does, and say nothing."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "did you mean A or B? " for up to three names that are about as similar as the most similar one, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=3)
    likeness = [difflib.SequenceMatcher(None, word, name).ratio() for name in close]
    nearest = [name for name, ratio in zip(close, likeness, strict=True) if ratio > likeness[0] - _AS_SIMILAR]
    return f"did you mean {' or '.join(nearest)}? " if nearest else ""


def not_none(value: Value | None) -> Value:
    """A value that is there because of what was checked before; None would be a mistake of the program."""
    if value is None:
        raise AssertionError("a value is missing that was checked to be there")
    return value
