"""Check many files in parallel, and remember that a data set passed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import PIL
from tqdm import tqdm

from backbones import image_files
from backbones.data.prefetch import describe_room
from backbones.errors import MachineError, UserError
from backbones.files import cache_dir, read_json, write_json
from backbones.machine.lacks import blame_machine, remedy_of
from backbones.machine.processes import process_pool, usable_cpus

Item = TypeVar("Item")
Result = TypeVar("Result")
Summary = TypeVar("Summary")

_TOO_FEW_FOR_PROCESSES = 256  # below this, starting processes costs more than it saves
_CHUNK = 16
_CHUNKS_UNDER_WAY = 4  # per process; a million images must not become a million pending tasks
_SECONDS_BEFORE_BAR = 2.0


class FileStamp(NamedTuple):
    """What one ``stat`` call tells about a file: POSIX name relative to the data set, bytes, ctime in ns.

    Not the mtime: copying and ``touch`` can set it, so a file could change and look as it did.
    """

    name: str
    size: int
    changed: int


_KINDS = (
    *((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket")),
    *((stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device")),
)


def refuse_irregular(path: str | bytes | os.PathLike[str], mode: int) -> None:
    """Refuse what is no ordinary file: opening a pipe waits for ever, and a device may never end.

    Args:
        path: For the message.
        mode: ``st_mode`` of the file, or of what a link leads to.

    Raises:
        UserError: It is a folder, a pipe, a socket or a device.
    """
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no ordinary file")
        raise UserError(f"{os.fsdecode(path)} is {kind}, not a file that can be read; move it away")


def stamp(root: Path, path: Path, complaint: str) -> FileStamp:
    """Stat one file; ``UserError(complaint)`` when there is none, another one when it is none that can be read.

    Raises:
        UserError: See above; the message names the file.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(complaint) from None
    except OSError as error:  # no permission for a folder, a circle of links, a path that is too long
        blame_machine(error, f"{path} cannot be found")
        raise UserError(f"{path} cannot be found ({error.strerror}); check its name and its folders") from None
    refuse_irregular(path, status.st_mode)
    return FileStamp(path.relative_to(root).as_posix(), status.st_size, status.st_ctime_ns)


def content_fingerprint(stamps: Sequence[FileStamp]) -> str:
    """SHA-256 over sorted names and sizes: equal for equal copies of a data set, on any machine."""
    lines = sorted(f"{entry.name}\0{entry.size}\n" for entry in stamps)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_each(
    check: Callable[[Item], Result], items: Collection[Item], description: str, workers: int | None = None
) -> list[Result]:
    """Return ``check(item)`` for each item, in order; the first exception in that order ends the work.

    Large sets are spread over processes, so ``check`` and the items must pickle. ``workers`` defaults to the CPUs this
    process may use. The progress bar appears after two seconds, on a terminal only.

    Raises:
        MachineError: Processes cannot start, or one died.
    """
    workers = workers or usable_cpus()
    alone = workers == 1 or len(items) < _TOO_FEW_FOR_PROCESSES
    results = map(check, items) if alone else _in_processes(check, items, workers, description)
    bar = tqdm(
        results,
        total=len(items),
        desc=description,
        unit="file",
        delay=_SECONDS_BEFORE_BAR,
        disable=None,
        leave=False,
    )
    try:
        return list(bar)
    except OSError as error:
        if alone or error.filename is not None:
            raise
        raise MachineError(  # a pool needs descriptors, processes, and shared memory for its locks
            f"{description}: processes cannot start ({error.strerror or error}; {describe_room()}); "
            f"{remedy_of(error.errno)}, or do with one CPU ('taskset -c 0 python ...')"
        ) from None


def _in_processes(
    check: Callable[[Item], Result], items: Collection[Item], workers: int, description: str
) -> Iterator[Result]:
    under_way: deque[Future[list[Result]]] = deque()
    remaining = iter(items)
    with process_pool(workers, description) as pool:
        while chunk := list(islice(remaining, _CHUNK)):
            under_way.append(pool.submit(_check_chunk, check, chunk))
            if len(under_way) == _CHUNKS_UNDER_WAY * workers:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()


def _check_chunk(check: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [check(item) for item in chunk]


def remembered(
    summary_type: Callable[..., Summary],
    root: Path,
    stamps: Sequence[FileStamp],
    arguments: Mapping[str, Any],
    sources: Path,
    compute: Callable[[], Summary],
) -> Summary:
    """Return the summary stored for exactly these files and arguments, else compute and store it.

    ``sources`` is the folder of the modules that check. Only success is stored: a data set that failed is about to be
    changed. Any change of a name, size or ctime, of ``arguments``, of the code of the checks or of Pillow makes a new
    key. A stored file that cannot be read back is replaced.
    """
    key = _key(root, stamps, arguments, sources)
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


def _key(root: Path, stamps: Sequence[FileStamp], arguments: Mapping[str, Any], sources: Path) -> str:
    code = checks_fingerprint([*sources.glob("*.py"), *Path(__file__).parent.glob("*.py")])
    document = [code, str(root.resolve()), arguments, sorted(stamps)]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def checks_fingerprint(modules: Collection[Path]) -> str:
    """SHA-256 of source files and Pillow's version: a verdict of other checks, or another decoder, is no verdict."""
    digest = hashlib.sha256(PIL.__version__.encode())
    for module in sorted({*modules, Path(image_files.__file__)}):
        digest.update(module.read_bytes())
    return digest.hexdigest()
