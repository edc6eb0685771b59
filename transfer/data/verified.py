"""Check many files in parallel, and remember that a data set passed."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import signal
import stat
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tqdm import tqdm

from backbones.errors import UserError
from backbones.files import cache_dir, read_json, write_json

Item = TypeVar("Item")
Result = TypeVar("Result")
Summary = TypeVar("Summary")

_TOO_FEW_FOR_PROCESSES = 256  # below this, starting processes costs more than it saves
_SECONDS_BEFORE_BAR = 2.0


class FileStamp(NamedTuple):
    """What one ``stat`` call tells about a file: POSIX name relative to the data set, bytes, mtime in ns."""

    name: str
    size: int
    modified: int


def stamp(root: Path, path: Path, complaint: str) -> FileStamp:
    """Stat one file; ``UserError(complaint)`` when there is no such file."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(complaint) from None
    if not stat.S_ISREG(status.st_mode):
        raise UserError(complaint)
    return FileStamp(path.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns)


def content_fingerprint(stamps: Sequence[FileStamp]) -> str:
    """SHA-256 over sorted names and sizes: equal for equal copies of a data set, on any machine."""
    lines = sorted(f"{entry.name}\0{entry.size}\n" for entry in stamps)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_each(
    check: Callable[[Item], Result], items: Sequence[Item], description: str, workers: int | None = None
) -> list[Result]:
    """Return ``check(item)`` for each item, in order; the first exception in that order ends the work.

    Large sets are spread over processes, so ``check`` and the items must pickle. ``workers`` defaults to the CPUs this
    process may use. The progress bar appears after two seconds, on a terminal only.
    """
    workers = workers or _usable_cpus()
    bar = functools.partial(
        tqdm,
        total=len(items),
        desc=description,
        unit="file",
        delay=_SECONDS_BEFORE_BAR,
        disable=None,
        leave=False,
    )
    if workers == 1 or len(items) < _TOO_FEW_FOR_PROCESSES:
        return list(bar(map(check, items)))
    pool = ProcessPoolExecutor(workers, initializer=_leave_interrupts_to_the_parent)
    try:
        return list(bar(pool.map(check, items, chunksize=16)))
    finally:
        pool.shutdown(cancel_futures=True)


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: what the batch system granted, not what the machine has
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def remembered(
    summary_type: Callable[..., Summary],
    root: Path,
    stamps: Sequence[FileStamp],
    arguments: Mapping[str, Any],
    compute: Callable[[], Summary],
) -> Summary:
    """Return the summary stored for exactly these files and arguments, else compute and store it.

    Only success is stored: a data set that failed is about to be changed. Any change of a name, size or mtime, of
    ``arguments``, or of the code of the checks makes a new key. A stored file that cannot be read back is replaced.
    """
    key = _key(root, stamps, arguments)
    path = cache_dir() / "verified" / f"{key}.json"
    known = _recall(summary_type, path, key)
    if known is not None:
        return known
    summary = compute()
    try:
        write_json(path, {"key": key, "root": str(root), "summary": asdict(summary)})  # type: ignore[call-overload]
    except OSError as error:
        warnings.warn(f"the next start will check {root} again: {path} cannot be written ({error})", stacklevel=3)
    return summary


def _recall(summary_type: Callable[..., Summary], path: Path, key: str) -> Summary | None:
    try:
        document = read_json(path)
        return summary_type(**document["summary"]) if document["key"] == key else None
    except (UserError, OSError, KeyError, TypeError):
        return None


def _key(root: Path, stamps: Sequence[FileStamp], arguments: Mapping[str, Any]) -> str:
    document = [_code_fingerprint(), str(root.resolve()), arguments, sorted(stamps)]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


@functools.cache
def _code_fingerprint() -> str:
    """SHA-256 of this package's sources: a verdict of older checks is no verdict."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()
