"""One trial and its judgement: which endings a user can live with."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from backbones.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR

# Endings that pass.
SAME, OTHER, REFUSED, INTERRUPTED = "same result", "another input", "refused", "interrupted"
# Endings that fail.
TRACEBACK, HANG, DIED, SILENT, MESSAGE, TOUCHED = (
    *("traceback", "hang", "died", "another result in silence", "unclear message", "touched other files"),
)
PASSING = (SAME, OTHER, REFUSED, INTERRUPTED)

_TRACEBACK = "Traceback (most recent call last)"
_FRAME = re.compile(r'File "(?:[^"]*/)?((?:backbones|transfer|studies|tools)/[^"]+)", line \d+, in (\S+)')


@dataclass(frozen=True)
class Ending:
    """How a command, or a call that stands for one, came to its end.

    Attributes:
        code: Exit code; negative for a signal, None when it was still running as its time was up.
        result: What came out of it, as a text that is equal for equal results; empty unless the code is 0.
        errors: What it wrote to standard error.
    """

    code: int | None
    result: str = ""
    errors: str = ""


@dataclass(frozen=True)
class Trial:
    """A trial that has been made, as it stands in a line of the records.

    Attributes:
        campaign: "kill", "mutation" or "resources".
        subject: What was tried: a format, or a command.
        seed: From which all that was random in it can be drawn again.
        what: What was done, in words.
        outcome: One of the endings above.
        kind: Of a failure, what it has in common with others of its kind; else empty.
        detail: The last lines of what was said.
        seconds: How long it took.
        commit: Of the code that was tried.
    """

    campaign: str
    subject: str
    seed: int
    what: str
    outcome: str
    kind: str
    detail: str
    seconds: float
    commit: str

    @property
    def passed(self) -> bool:
        """Whether a user can live with it."""
        return self.outcome in PASSING


def classify_ending(
    ending: Ending, wanted: Collection[str], named: Sequence[str], may_differ: bool = False
) -> tuple[str, str]:
    """The outcome of a trial, and the kind of its failure ("" if it is none).

    Args:
        ending: How it ended.
        wanted: The result of the same command undisturbed, and others that are as good.
        named: Texts one of which an error message has to hold: the file, the key or the option at fault.
        may_differ: Whether another result is right too, because what was done made another valid input.
    """
    if ending.code is None:
        return HANG, "still running as the time was up"
    if ending.code == 0:
        if ending.result in wanted:
            return SAME, ""
        return (OTHER, "") if may_differ else (SILENT, "exit 0 with another result")
    if _TRACEBACK in ending.errors:
        return TRACEBACK, _kind_of_traceback(ending.errors)
    if ending.code == EXIT_INTERRUPTED:
        return INTERRUPTED, ""
    if ending.code != EXIT_USER_ERROR:
        return DIED, f"signal {-ending.code}" if ending.code < 0 else f"exit {ending.code}"
    return _judge_message(ending.errors, named)


def _judge_message(errors: str, named: Sequence[str]) -> tuple[str, str]:
    lines = [line for line in errors.splitlines() if line.strip()]
    if len(lines) != 1:
        return MESSAGE, "no error line" if not lines else "more than one line"
    if not lines[0].startswith("error: "):
        return MESSAGE, "a line that is no 'error: '"
    if not lines[0].isprintable():
        return MESSAGE, "characters that cannot be printed"
    if not any(name in lines[0] for name in named):
        return MESSAGE, "names neither file nor option"
    return REFUSED, ""


def _kind_of_traceback(errors: str) -> str:
    """The last exception, and the innermost place in the project that it came through."""
    last = errors.rpartition(_TRACEBACK)[2]
    raised = next((line for line in last.splitlines()[1:] if line and not line[0].isspace()), "an exception")
    places = _FRAME.findall(last)
    where = " in {1} ({0})".format(*places[-1]) if places else ""
    return f"{raised.partition(':')[0]}{where}"
