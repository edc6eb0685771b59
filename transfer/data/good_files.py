"""Check many files, gather what is wrong with them, and remember what was found in those that are good.

A whole split that passed is remembered by ``backbones.data.folders.verification.remembered``. What is remembered here
serves the split that did not pass, or of which a file has changed since: only what is new or changed is decoded again.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from backbones.data import decoding
from backbones.data.folders.verification import FileStamp, check_each, checks_fingerprint
from backbones.errors import MachineError, UserError
from backbones.files import cache_dir, read_json, write_json
from transfer.data.faults import texts

Item = TypeVar("Item")

_AT_ONCE = 4096  # a check that is interrupted loses no more than this


def check_files(
    check: Callable[[Item], Any],
    items: Sequence[Item],
    stamps: Sequence[Sequence[FileStamp]],
    memory: GoodFiles,
    description: str,
) -> tuple[list[Any], list[tuple[Item, str]]]:
    """``check(item)`` of each item, and what it raised.

    Args:
        check: Gives something that JSON can hold, or raises ``UserError``; a module's function, or a partial of one.
        items: Each of one or more files.
        stamps: Those files of each item.
        memory: What is known of them; extended.
        description: For the progress bar.

    Returns:
        The results of all items in order, None where there is a fault; then each such item with each of its faults.
    """
    results = [memory.result(each) for each in stamps]
    faults: dict[int, list[str]] = {}
    pending = [place for place, result in enumerate(results) if result is None]
    for first in range(0, len(pending), _AT_ONCE):
        places = pending[first : first + _AT_ONCE]
        found = check_each(partial(_attempt, check), [items[place] for place in places], description)
        for place, (result, told) in zip(places, found, strict=True):
            if told:
                faults[place] = told
            else:
                results[place] = result
                memory.add(stamps[place], result)
        memory.save()
    return results, [(items[place], text) for place, told in faults.items() for text in told]


class GoodFiles:
    """What was found in good files below ``root``, under the same arguments and by the same code."""

    def __init__(self, root: Path, arguments: Mapping[str, Any]) -> None:
        code = checks_fingerprint([*Path(__file__).parent.glob("*.py"), Path(decoding.__file__)])
        document = json.dumps([code, str(root.resolve()), arguments], sort_keys=True)
        self._root = root
        self._record = cache_dir() / "good" / f"{hashlib.sha256(document.encode()).hexdigest()}.json"
        self._changed = False

    @cached_property
    def _known(self) -> dict[str, Any]:
        """Read when it is asked for: a split that is remembered as a whole never does."""
        try:
            known = read_json(self._record)
        except (UserError, OSError):
            return {}
        readable = isinstance(known, dict) and all(isinstance(each, dict) for each in known.values())
        return known if readable else {}

    def result(self, stamps: Sequence[FileStamp]) -> Any | None:
        """What was found in files that have not changed since, or None."""
        known = self._known.get(stamps[0].name, {})
        return known.get("found") if known.get("stamps") == [list(each) for each in stamps] else None

    def add(self, stamps: Sequence[FileStamp], result: Any) -> None:
        """Remember what was found in files, by the name of the first."""
        self._known[stamps[0].name] = {"stamps": [list(each) for each in stamps], "found": result}
        self._changed = True

    def save(self) -> None:
        """Write what was added."""
        if not self._changed:
            return
        try:
            write_json(self._record, self._known)
            self._changed = False
        except OSError as error:
            warnings.warn(
                f"the next start will check {self._root} again: {self._record} cannot be written ({error})",
                stacklevel=3,
            )


def _attempt(check: Callable[[Item], Any], item: Item) -> tuple[Any, list[str]]:
    try:
        return check(item), []
    except MachineError:
        raise
    except UserError as error:
        return None, list(texts(error))
