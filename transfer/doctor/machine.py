"""Memory, shared memory, open files and disks."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from backbones.data import prefetch
from transfer.doctor.finding import Finding, ok, problem, warning

GIB = 1 << 30
MEMORY_INFORMATION = Path("/proc/meminfo")
CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
LEAST_MEMORY, ENOUGH_MEMORY = 2 * GIB, 4 * GIB
# What Docker gives without being asked; a few batches of detection fill it, and the worker dies of SIGBUS.
LEAST_SHARED_MEMORY, ENOUGH_SHARED_MEMORY = GIB // 16, GIB
ENOUGH_OPEN_FILES = 1024
# A detector's checkpoint with its optimiser is about 0.3 GiB, and a run keeps three beside its log.
LEAST_DISK, ENOUGH_DISK = GIB, 10 * GIB
# Records of verified images and the images of the demo.
LEAST_CACHE, ENOUGH_CACHE = GIB // 16, GIB


def check_memory() -> Iterator[Finding]:
    """Memory that new programs can have, or what is left of a container's limit."""
    available = available_memory()
    if available is None:
        yield ok("memory", "this system does not tell how much is available")
        return
    message = f"{available / GIB:.1f} GiB available"
    if available < LEAST_MEMORY:
        yield problem("memory", message, "close other programs, or use a machine with 8 GiB or more")
    elif available < ENOUGH_MEMORY:
        yield warning("memory", message, "use fewer --workers and a smaller batch")
    else:
        yield ok("memory", message)


def available_memory() -> int | None:
    """Bytes; None where the system has no such file."""
    try:
        text = MEMORY_INFORMATION.read_text(encoding="ascii")
        kibibytes = next(line.split()[1] for line in text.splitlines() if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    left = [limit - _in_use(path) for path in CONTAINER_LIMITS if (limit := _number(path)) is not None]
    return min([int(kibibytes) << 10, *left])


def _in_use(limit: Path) -> int:
    """Bytes that count against a container's limit and cannot be reclaimed; files it merely read can."""
    used = _number(limit.with_name("memory.current")) or _number(limit.with_name("memory.usage_in_bytes")) or 0
    try:
        lines = limit.with_name("memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return used
    return used - sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def _number(path: Path) -> int | None:
    """A file's number; None when it is missing or says "max"."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def check_shared_memory() -> Iterator[Finding]:
    """Where loader workers put their batches."""
    folder = Path(prefetch.SHARED_MEMORY)
    if not sys.platform.startswith("linux"):
        yield ok("shared memory", "not a file system on this platform")
        return
    in_container = any(mark.exists() for mark in CONTAINER_MARKS)
    larger = "docker run --shm-size=2g" if in_container else f"sudo mount -o remount,size=2g {folder}"
    if not folder.is_dir():
        yield problem("shared memory", f"there is no {folder}, so no loader can have workers", larger)
        return
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    remedy = (
        larger
        if status.f_blocks * status.f_frsize < 2 * ENOUGH_SHARED_MEMORY
        else f"remove what dead programs left there: ls -lt {folder}"
    )
    message = prefetch.describe_room()
    if free <= LEAST_SHARED_MEMORY:
        yield problem("shared memory", f"{message}: workers of a detection loader will die of SIGBUS", remedy)
    elif free < ENOUGH_SHARED_MEMORY:
        yield warning("shared memory", f"{message}: little for many workers", remedy)
    else:
        yield ok("shared memory", message)


def check_open_files() -> Iterator[Finding]:
    """Each tensor that a worker hands over is an open file."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= ENOUGH_OPEN_FILES:
        yield ok("open files", "no limit" if soft == unlimited else f"up to {soft}")
    elif hard == unlimited or hard >= ENOUGH_OPEN_FILES:
        most = 4096 if hard == unlimited else min(4096, hard)
        yield warning("open files", f"only {soft} at a time, and loader workers use many", f"ulimit -n {most}")
    else:
        remedy = "raise the hard limit in /etc/security/limits.conf (docker run --ulimit nofile=4096)"
        yield warning("open files", f"only {soft} at a time, {hard} at most", remedy)


def check_output(folder: Path) -> Iterator[Finding]:
    """Room and permission for a run's folder, which may not exist yet."""
    yield _check_folder("--out", folder, LEAST_DISK, ENOUGH_DISK, "name another --out")


def check_cache() -> Iterator[Finding]:
    """Room and permission for what can be made again."""
    from backbones.files import cache_dir

    yield _check_folder("cache", cache_dir(), LEAST_CACHE, ENOUGH_CACHE, "export CARRYOVER_CACHE=/another/folder")


def _check_folder(subject: str, folder: Path, least: int, enough: int, elsewhere: str) -> Finding:
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        return problem(subject, f"{folder}: {there} is a file where a folder should be", elsewhere)
    if not os.access(there, os.W_OK | os.X_OK):
        return problem(subject, f"{folder}: no permission to write in {there}", elsewhere)
    free = shutil.disk_usage(there).free
    message = f"{folder}: {free / GIB:.1f} GiB free"
    if free < least:
        return problem(subject, message, f"make room there, or {elsewhere}")
    if free < enough:
        return warning(subject, message, f"make room there, or {elsewhere}")
    return ok(subject, message)
