"""Another thing in a file's place, and files under other names."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

_NAMES = (
    *("a\nb", "\x1b[31mred", "=1+1", "<b>x", "-x", "ü", "u\u0308", "a b", "x" * 240, "\udcff\udcfe", "a;b$(c)"),
    *("..a", ".a", "nul\u202el", "a\\b", "a:b", "{{$HOME}}", "%s"),
)
_THINGS = ("nothing", "a folder", "a pipe", "a link to itself", "a link to nothing", "/dev/zero", "/dev/null")


def change_entry(victim: Path, random: Random, top: Path | None = None) -> str:
    """Put something else in the place of a file, or rename it or its folder, unless that is ``top``.

    Returns:
        What was done, in words.
    """
    if random.choice((_replace, _replace, _rename)) is _replace:
        return _replace(victim, random)
    return _rename(victim, random, top)


def _replace(victim: Path, random: Random) -> str:
    kind = random.choice(_THINGS)
    victim.unlink()
    if kind == "a folder":
        victim.mkdir()
    elif kind == "a pipe":
        os.mkfifo(victim)
    elif kind == "a link to itself":
        victim.symlink_to(victim.name)
    elif kind == "a link to nothing":
        victim.symlink_to("nothing-there")
    elif kind != "nothing":
        victim.symlink_to(kind)
    return f"replaced by {kind}"


def _rename(victim: Path, random: Random, top: Path | None) -> str:
    name = random.choice(_NAMES)
    if random.random() < 0.3 and victim.parent != top:
        victim.parent.rename(victim.parent.with_name(name))
        return f"its folder renamed to {name[:40]!r}"
    suffix = random.choice((victim.suffix, victim.suffix.upper(), "", victim.suffix * 2))
    stem = random.choice((name, victim.stem))
    victim.rename(victim.with_name(f"{stem}{suffix}"))
    return f"renamed to {stem[:40] + suffix!r}"
