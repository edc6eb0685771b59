"""One run, one folder: what was asked, what happened, what came out.

``run.json``       what was asked, versions, data fingerprint; written first
``metrics.jsonl``  one JSON record per line, while the run goes on
``last.pt``        where to resume
``best.safetensors``  of a classification run: the weights that have validated best so far
``result.json``    written last and atomically: its presence means the run is done
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import PART_SUFFIX, append_line, atomic_path, read_json, write_json

FORMAT = 1
LOCK = ".lock"
# What may differ between a run and its resumption.
CONTEXT_KEYS = (
    "format",
    "command",
    "versions",
    "hardware",
    "started",
    "data.root",
    "backbone.path",
    "teacher.path",
    "init_from.path",
    "fixed_hash",  # a part of what config_hash covers
)


class RunFolder:
    """The files of a run. Make one with ``RunFolder.open``."""

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self.path = path
        self.run = run
        self.checkpoint = path / "last.pt"
        self.bundle = path / "backbone.safetensors"
        self.best_bundle = path / "best.safetensors"
        self.result = path / "result.json"
        self.metrics = path / "metrics.jsonl"

    @classmethod
    def open(cls, path: str | os.PathLike[str], asked: Mapping[str, Any], resume: bool) -> RunFolder:
        """``check`` and ``begin``."""
        folder = cls.check(path, asked, resume)
        folder.begin()
        return folder

    @classmethod
    def check(cls, path: str | os.PathLike[str], asked: Mapping[str, Any], resume: bool) -> RunFolder:
        """See that a run can start in an empty or new folder, or continue in its own; nothing is written.

        Args:
            path: The folder.
            asked: Everything that defines the run, and its context (``CONTEXT_KEYS``), which may change on resumption.
            resume: Continue what the folder holds; a folder that holds nothing yet starts the run.

        Raises:
            UserError: The folder holds another run, a run while ``resume`` is off, or files that are not a run.
        """
        folder = cls(Path(path), {"format": FORMAT, **asked, "command": command_line(), "started": _now()})
        record = folder.path / "run.json"
        if folder.path.exists() and not folder.path.is_dir():
            raise UserError(f"{path} is a file; --out wants a folder")
        if record.exists():
            _check_same_run(record, read_json(record), folder.run)
            if not resume:
                state = "a finished" if folder.finished else "an unfinished"
                raise UserError(f"{path} holds {state} run; add --resume to continue it, or choose another --out")
        elif folder.path.exists() and any(folder._foreign()):
            raise UserError(f"{path} is not empty and holds no run.json; choose a new folder for --out")
        return folder

    def begin(self) -> None:
        """Write ``run.json`` if it is not there, and clear away what a kill has left of files being written."""
        self.path.mkdir(parents=True, exist_ok=True)
        for entry in self.path.iterdir():
            if _is_part(entry):
                entry.unlink(missing_ok=True)
        if not (self.path / "run.json").exists():
            write_json(self.path / "run.json", self.run)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out: two that resume the same run would ruin each other's files.

        Raises:
            UserError: Another process works in the folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / LOCK
        with open(path, "a", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{self.path}: another process works in this folder; wait for it or stop it") from None
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def _foreign(self) -> Iterator[Path]:
        return (entry for entry in self.path.iterdir() if entry.name != LOCK and not _is_part(entry))

    @property
    def finished(self) -> bool:
        """Whether ``result.json`` is there."""
        return self.result.exists()

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one record to ``metrics.jsonl`` in a single write.

        Raises:
            WriteError: The file cannot be written.
        """
        append_line(self.metrics, json.dumps(record, allow_nan=False))

    def forget_after(self, step: int, evaluated_step: int) -> None:
        """Drop the records of steps and evaluations that a resumed run is about to do again.

        A line cut short by a kill goes too.
        """
        if not self.metrics.exists():
            return
        kept = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                break
            if record["step"] <= (evaluated_step if record["kind"] == "epoch" else step):
                kept.append(line + "\n")
        with atomic_path(self.metrics) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")

    def finish(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write ``result.json`` on top of what was asked, and return it."""
        write_json(self.result, {**self.run, **result})
        return read_json(self.result)


def _is_part(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(PART_SUFFIX)


def command_line() -> str:
    """The command that started this process, ready to paste into a shell."""
    return shlex.join(["python", *sys.argv])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat


def _check_same_run(record: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    if not isinstance(there, Mapping):
        raise UserError(f"{record} is damaged: it holds no record of a run; delete the folder or choose another --out")
    old, new = _flatten(there), _flatten(asked)
    context = {key for key in old.keys() | new.keys() if key in CONTEXT_KEYS or key.split(".")[0] in CONTEXT_KEYS}
    different = sorted(key for key in (old.keys() | new.keys()) - context if old.get(key) != new.get(key))
    if different:
        changes = "; ".join(f"{key}: {old.get(key)!r} there, {new.get(key)!r} asked" for key in different[:5])
        raise UserError(f"{record.parent} holds another run ({changes}); choose another --out")
