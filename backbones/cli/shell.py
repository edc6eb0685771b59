"""Words of a command as a shell reads them: what is printed, or written into a script, can be pasted as it stands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

_ESCAPED = {"\\": "\\\\", "'": "\\'"}


def shell_word(word: str) -> str:
    r"""A word that a shell takes for one word and for nothing else.

    A line break within quotes would still be a line of its own to whoever reads a script line by line, and control
    characters would act on the terminal. So a word with characters that cannot be seen is written ``$'...'``, with each
    of these bytes as ``\xHH``, which bash, zsh and ksh read.
    """
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_seen, word))}'"


def shell_command(words: Iterable[str]) -> str:
    """A command on one line."""
    return " ".join(map(shell_word, words))


def _seen(character: str) -> str:
    if character.isprintable():
        return _ESCAPED.get(character, character)
    # Bytes of a file's name that are no text are surrogates in Python.
    raw = character.encode("utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in raw)
