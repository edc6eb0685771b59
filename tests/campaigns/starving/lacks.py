"""What a command can have too little of, and how it comes to that."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

RUN, TEMPORARY = "RUN", "TEMPORARY"  # for the folder of the trial, and one for temporary files
READ_ONLY = "read-only"
_ALL = ("train_cls", "transfer_seg", "check", "compare")
# A small file system of this process alone; what is in it goes to the folder beneath, which is there afterwards.
_MOUNT = """
target="$1" size="$2" keep="$3"; shift 3
if [ "$keep" ]; then mkdir -p "$keep" && mount --bind "$target" "$keep" || exit 125; fi
if [ "$size" = read-only ]; then mount -t tmpfs -o ro tmpfs "$target" || exit 125
else mount -t tmpfs -o "size=${size}k" tmpfs "$target" || exit 125; fi
"$@"
code=$?
if [ "$keep" ]; then cp -a "$target/." "$keep/"; fi
exit $code
"""


@dataclass(frozen=True)
class Lack:
    """A way to have too little.

    Attributes:
        name: Of what; those without ``mount`` and ``user`` are the launcher's, ``starve.py``.
        draw: From random numbers how little.
        named: What a message may name besides files: one of these.
        mount: Folder over which a small file system is mounted.
        user: Whether to be a user without name.
        workloads: For which it means something.
    """

    name: str
    draw: Callable[[Random], int | str]
    named: tuple[str, ...]
    mount: str | None = None
    user: bool = False
    workloads: tuple[str, ...] = _ALL

    @property
    def needs_namespaces(self) -> bool:
        """Whether the kernel has to make something for a process alone."""
        return self.user or self.mount is not None

    def prefix(self, folder: Path, value: int | str) -> list[str]:
        """What a command is to begin with, for a trial in ``folder``; empty where the launcher does it."""
        if self.user:
            nameless = ["unshare", "--map-user=12345", "--map-group=12345", "env", "-u", "USER", "-u", "LOGNAME"]
            return [*nameless, *(["-u", "HOME"] if value == "without HOME" else [f"HOME={folder}"])]
        if self.mount is None:
            return []
        targets = {RUN: str(folder), TEMPORARY: f"{folder}.temporary"}
        target, keep = targets.get(self.mount, self.mount), f"{folder}.kept" if self.mount == RUN else ""
        Path(target).mkdir(parents=True, exist_ok=True)
        there = ["env", f"TMPDIR={target}"] if self.mount == TEMPORARY else []
        return ["unshare", "-rm", "sh", "-c", _MOUNT, "sh", target, str(value), keep, *there]


def _between(low: int, high: int) -> Callable[[Random], int]:
    """Small numbers as probable as large ones."""
    return lambda random: round(low * (high / low) ** random.random())


def _one_of(*values: int | str) -> Callable[[Random], int | str]:
    return lambda random: random.choice(values)


LACKS = (
    Lack("descriptors", _between(8, 120), ("descriptor", "open files")),
    Lack("memory", _between(4, 1500), ("memory",)),
    Lack("file size", _between(20_000, 4_000_000), ("disk", "space")),
    Lack("locks", _one_of("ENOLCK", "EOPNOTSUPP"), ("lock",), workloads=("train_cls", "transfer_seg")),
    Lack("disk", _between(8, 30_000), ("disk", "space"), mount=RUN),
    Lack("writable disk", _one_of(READ_ONLY), ("Read-only", "read-only", "permission"), mount=RUN),
    Lack(
        *("shared memory", _one_of(4, 64, 512, READ_ONLY), ("/dev/shm", "shared memory")),
        mount="/dev/shm",
        workloads=("train_cls", "transfer_seg"),
    ),
    Lack("temporary folder", _one_of(4, 64, READ_ONLY), ("temporary", "TMPDIR"), mount=TEMPORARY),
    Lack("user name", _one_of("without HOME", "with HOME"), ("HOME", "user"), user=True),
)


@cache
def has_namespaces() -> bool:
    """Whether this machine lets its users mount file systems for themselves."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
