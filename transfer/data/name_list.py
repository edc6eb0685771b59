"""Lists of images, one name per line, and what may be wrong with a name before its file is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backbones.errors import UserError
from transfer.data.faults import Fault
from transfer.data.text_file import read_lines

_LONGEST = 255  # bytes of a name that file systems hold
_SHOWN = 60  # characters of a longer one


@dataclass(frozen=True)
class ListKind:
    """How a layout speaks of its lists: "an identifier" or "an image name"; ``suffixes`` are those that it adds."""

    noun: str
    empty: str
    suffixes: tuple[str, ...]
    refuses_suffixes: bool


def read_names(path: Path, folder: Path, kind: ListKind) -> tuple[dict[str, int], list[Fault]]:
    """The names of a list that lead into ``folder``, each with its line, and what is wrong with the others.

    Raises:
        UserError: The list cannot be read, or is empty.
    """
    names: dict[str, int] = {}
    faults = []
    lines = read_lines(path, "image names")
    if not any(lines):
        raise UserError(f"{path} {kind.empty}; write {kind.noun} per line, without suffix")
    for number, name in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        if name in names:
            faults.append(Fault(path, f"{where}: {name!r} is already on line {names[name]}; remove one"))
        elif wrong := _what_is_wrong(name, folder, kind):
            shown = repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "...")
            faults.append(Fault(path, f"{where} is {shown}: {wrong}"))
        else:
            names[name] = number
    return names, faults


def _what_is_wrong(name: str, folder: Path, kind: ListKind) -> str | None:
    path = PurePosixPath(name)
    plain = f"expected {kind.noun} without suffix"
    if not name:
        return f"{plain}, no blank line"
    if not name.isprintable():
        return f"{plain}, and this holds characters that do not show; write it anew"
    if kind.refuses_suffixes and name.endswith(kind.suffixes):
        return plain
    if path.is_absolute() or ".." in path.parts:
        return f"{plain}, which is looked for in {folder}, and this leads elsewhere; write {path.stem!r}, for one"
    if not path.parts:
        return f"{plain}, and this is the folder"
    if path.as_posix() != name:
        return f"{plain}, as short as it can be: {path.as_posix()!r}"
    longest = max(len(part.encode()) for part in path.parts) + max(map(len, kind.suffixes))
    if longest > _LONGEST:
        return f"{plain}, and this has {longest} bytes with its suffix, where file systems end at {_LONGEST}"
    return None
