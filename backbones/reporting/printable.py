"""Text of others on one line of ours."""

from __future__ import annotations


def printable(text: object) -> str:
    r"""A text with what cannot be seen in it as Python's escapes: line breaks, control characters, broken bytes.

    In a comment a line break would begin a line of code, and on a terminal an escape code would take effect.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(text))
