"""What a check found, and what keeps a check that breaks from stopping the others.

Nothing in this package imports a third-party library at its top: the doctor is called when those are broken.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backbones.cli.shell import shell_word
from backbones.errors import UserError

OK, WARNING, PROBLEM = "ok", "warning", "problem"
LONGEST = 300  # characters of a library's own words


@dataclass(frozen=True)
class Finding:
    """One fact: ``status`` is "ok", "warning" (works, but not as intended) or "problem" (something will fail).

    ``remedy`` is the one command or action that fixes it; what is ok has none.
    """

    subject: str
    status: str
    message: str
    remedy: str | None = None


def ok(subject: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, OK, message)


def warning(subject: str, message: str, remedy: str) -> Finding:
    """It works, but not as intended."""
    return Finding(subject, WARNING, message, remedy)


def problem(subject: str, message: str, remedy: str) -> Finding:
    """Something will fail."""
    return Finding(subject, PROBLEM, message, remedy)


def full_check(root: Path) -> str:
    """The command that reads every file of a data set."""
    return f"python tools/prepare_data.py check {shell_word(str(root))}"


def words(error: BaseException) -> str:
    """Type and message of a library's error, on one line."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", LONGEST, placeholder=" …")


def guarded(subject: str, check: Callable[[], Iterable[Finding]], remedy: str) -> Iterator[Finding]:
    """The findings of a check, and one more if it breaks: any error of a broken library is itself a finding."""
    try:
        yield from check()
    except UserError as error:
        yield problem(subject, str(error), remedy)
    except Exception as error:  # a half-installed library raises whatever it likes
        yield problem(subject, f"cannot be examined: {words(error)}", remedy)
