"""Fetch one published file over HTTP, through dropped connections, and believe nothing but its checksum.

What has arrived is kept in ``NAME.part``, beside a note of the server's mark for that version of the file, so a second
start, or a second mirror, goes on where the first one stopped.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from backbones.errors import UserError
from transfer.prepare.disk import writing
from transfer.prepare.fetch.checksum import md5_file, require_md5
from transfer.prepare.fetch.http import Dropped, Refused, open_request, receive
from transfer.prepare.fetch.partial import Partial
from transfer.prepare.sources import Archive

_LONGEST_PAUSE = 60.0
_ELSEWHERE = "take another address (--mirror) or a file you have (--archive)"


@dataclass(frozen=True)
class Patience:
    """How long to bear with a server.

    Attributes:
        silence: Seconds without a byte after which a connection counts as dropped.
        total: Seconds for one file with all its retries; None: no limit.
        attempts: Connections in a row that bring nothing new before giving up.
        pause: Seconds before the first retry; doubled at each further one in a row, up to a minute.
    """

    silence: float = 60.0
    total: float | None = None
    attempts: int = 6
    pause: float = 1.0


def download(archive: Archive, address: str, folder: Path, patience: Patience) -> Path:
    """Return ``folder / archive.file_name`` with the published bytes, fetched from ``address`` if it is not there.

    A transfer whose checksum does not fit is deleted, because resuming it could never help. It is made once more from
    the beginning if it was put together from several connections.

    Raises:
        UserError: The server refuses, stays silent or sends something else; the disk is full; or the file that is there
            already is another one.
    """
    target = folder / archive.file_name
    if target.exists():
        require_md5(target, archive.md5, "delete it and run the same command again")
        return target
    with writing(folder, "nothing was begun"):
        folder.mkdir(parents=True, exist_ok=True)
    partial = Partial(target)
    patched = _fetch(archive, address, partial, patience)
    actual = md5_file(partial.path)
    if patched and actual != archive.md5:
        _say(f"{target.name} was put together from several connections and its checksum does not fit; once more")
        partial.remove()
        _fetch(archive, address, partial, patience)
        actual = md5_file(partial.path)
    if actual != archive.md5:
        description = partial.describe()
        partial.remove()
        raise UserError(
            f"{address} did not send {archive.file_name}: the MD5 of what came ({description}) is {actual}, the "
            f"published one {archive.md5}; it was deleted. Run the same command again, or {_ELSEWHERE}"
        )
    with writing(target, "the download is complete and will be found"):
        os.replace(partial.path, target)
    partial.remove()
    return target


def _fetch(archive: Archive, address: str, partial: Partial, patience: Patience) -> bool:
    """Fill ``partial``; return whether more than one connection contributed."""
    began_with = partial.size
    with _bar(archive, began_with) as bar:
        try:
            connections = _connect_until_done(archive, address, partial, patience, bar)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_kept(partial)) from None
        except Refused as error:
            raise UserError(f"{address} cannot be fetched: {error}; {_ELSEWHERE}") from None
    return began_with > 0 or connections > 1


def _connect_until_done(archive: Archive, address: str, partial: Partial, patience: Patience, bar: tqdm) -> int:
    """Return the number of connections it took."""
    deadline = None if patience.total is None else time.monotonic() + patience.total
    connections, fruitless, furthest = 0, 0, partial.size
    while True:
        connections += 1
        try:
            _connect_once(archive, address, partial, patience, bar, deadline)
            return connections
        except Dropped as error:
            fruitless = 1 if partial.size > furthest else fruitless + 1
            furthest = max(furthest, partial.size)
            _pause_or_give_up(error, address, partial, fruitless, patience, deadline)


def _connect_once(
    archive: Archive, address: str, partial: Partial, patience: Patience, bar: tqdm, deadline: float | None
) -> None:
    with open_request(address, partial, patience.silence, archive.size) as answer:
        bar.total = answer.total or archive.size
        bar.n = bar.initial = partial.size
        bar.refresh()
        receive(answer, partial, bar.update, deadline)


def _pause_or_give_up(
    error: Dropped, address: str, partial: Partial, fruitless: int, patience: Patience, deadline: float | None
) -> None:
    if fruitless >= patience.attempts:
        raise UserError(
            f"{address} cannot be fetched: {error}, {fruitless} times in a row. {_kept(partial)}; or {_ELSEWHERE}"
        ) from None
    pause = min(_LONGEST_PAUSE, max(patience.pause * 2 ** (fruitless - 1), error.retry_after))
    if deadline is not None and time.monotonic() + pause >= deadline:
        raise UserError(
            f"{address} took longer than --total-timeout {patience.total:g} seconds ({error}). {_kept(partial)}"
        ) from None
    _say(f"{error}; {partial.size} bytes so far, going on in {pause:.3g} s")
    time.sleep(pause)


def _kept(partial: Partial) -> str:
    return f"{partial.size} bytes are kept in {partial.path}: the same command goes on from there"


def _bar(archive: Archive, done: int) -> tqdm:
    return tqdm(
        total=archive.size,
        initial=done,
        desc=archive.file_name,
        unit="B",
        unit_scale=True,
        unit_divisor=1000,
        disable=None,
        dynamic_ncols=True,
    )


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)
