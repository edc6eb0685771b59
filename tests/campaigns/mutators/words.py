"""Words that parsers stumble over, put into a text or in the place of one of its words."""

from __future__ import annotations

import re
from random import Random

from campaigns.mutators.mutation import WORDS, Mutation, Mutator

_WORD = re.compile(rb"[\w./-]+")
_ANY = (
    *("\ufeff", "\x00", "\r", "\x1b[31m", "\u202e", "\xa0", " ", "\t", "\n\n", "-1", "1e999", "nan", "9" * 401, "true"),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "x" * 300,
        "~nosuchuser/x",
        "'",
        '"',
        "\\",
        "%s",
        "{}",
        "$HOME",
        "{{$HOME:x}}",
    ),
)
YAML = (
    *(
        "!!int x",
        "!!python/object:os.system",
        "2026-13-45",
        "[" * 900,
        "&a [*a]",
        "*nothing",
        "- ",
        ": ",
        "{",
        "|",
        "~",
    ),
    *("0x10", "1_000", "017", "yes", ".inf", "<<: {a: 1}", "? x", "---\n", "%TAG ! !\n", "12:30:45", "2026-01-01"),
)
XML = (
    *("<difficult/>", "&nbsp;", "<!-- ", "<![CDATA[", "<object>", "</object>", "<object/>", "<a>" * 500, "<name/>"),
    *('<!DOCTYPE a [<!ENTITY b "c">]>', "&#0;", "&#x110000;", "<bndbox/>", "0.5", "-0", "1e3", "٣"),
)
JSON = ("[" * 100_000, '{"a":' * 2000, "NaN", "Infinity", "1e999", "null", "true", "[]", "{}", '"\\ud800"', "-", ",")
LINES = (".jpg", ".png", " 1", " -1", "\x85", "\u2028", "\v", "a/b", "a\\b", ".", "..", "#", "-", "é", "e\u0301", "*")


def with_words(*special: str) -> Mutator:
    """A mutator that puts one of these, or of those that trouble any text, into a text."""
    vocabulary = (*special, *_ANY)

    def put(content: bytes, random: Random) -> Mutation:
        word = random.choice(vocabulary if random.random() < 0.4 or not special else special)
        encoded = word.encode(random.choice(("utf-8", "utf-8", "utf-8", "latin-1")), "replace")
        places = list(_WORD.finditer(content))
        if places and random.random() < 0.5:
            start, end = random.choice(places).span()
        else:
            start = end = random.choice((0, len(content), random.randint(0, len(content))))
        what = f"{word[:40]!r} in place of bytes {start} to {end}"
        return Mutation(content[:start] + encoded + content[end:], what, WORDS)

    return put
