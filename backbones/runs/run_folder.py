"""One run, one folder: what was asked, what happened, what came out.

``run.json``       what was asked, versions, data fingerprint; written first. ``sittings`` lists the commands that have
                   worked on the run: the one that started it, and each that resumed it
``metrics.jsonl``  one JSON record per line, while the run goes on
``last.pt``        where to resume
``best.safetensors``  of a classification run: the weights that have validated best so far
``result.json``    written last and atomically: its presence means the run is done
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from backbones.cli.shell import shell_command
from backbones.errors import UserError
from backbones.files import PART_SUFFIX, append_line, atomic_path, read_json, write_json
from backbones.runs.locks import Owner, try_lock
from backbones.runs.record import read_record
from backbones.text_files import read_records

FORMAT = 1
LOCK = ".lock"
# How long the loading processes of a killed run, which hold its lock as well, may take to notice and end: they look for
# their parent every 5 seconds.
SECONDS_TO_END = 15.0
# What may differ between a run and its resumption.
CONTEXT_KEYS = (
    "format",
    "command",
    "versions",
    "code",
    "hardware",
    "started",
    "sittings",
    "data.root",
    "backbone.path",
    "teacher.path",
    "init_from.path",
    "data.shared_images",  # known once images are compared, and only where they may be
    "fixed_hash",  # a part of what config_hash covers
    "former_hashes",  # of what an older version hashed; see ``with_present_hash``
    "training.updates",  # known once the loader is built
    "settings.batch_norm_images",  # follows from parts and sync_bn
)

# Settings of a training that old records do not have: what they were before there was a choice.
FORMER_SETTINGS = {"color": "paper"}
PLUGIN = "settings.plugin"  # its SHA-256


class RunFolder:
    """The files of a run. Make one with ``RunFolder.open``, or with ``check``, ``locked`` and ``begin``.

    ``run`` is what this start was asked; ``run.json`` is what the first one was.
    """

    def __init__(self, path: Path, run: dict[str, Any], resume: bool = False) -> None:
        self.path = path
        self.run = run
        self._resume = resume
        self.checkpoint = path / "last.pt"
        self.bundle = path / "backbone.safetensors"
        self.best_bundle = path / "best.safetensors"
        self.result = path / "result.json"
        self._was_finished = self.finished
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
        run = {"format": FORMAT, **asked, "command": command_line(), "started": _now()}
        folder = cls(Path(path), run, resume)
        folder._check()
        return folder

    def _check(self) -> None:
        record = self.path / "run.json"
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file; --out wants a folder")
        _refuse_links_that_lead_out(self.path)
        if record.exists():
            _check_same_run(record, read_record(record), self.run)
            if not self._resume:
                if self.finished:
                    raise UserError(f"{self.path} holds a finished run, {self.result}; choose another --out")
                raise UserError(
                    f"{self.path} holds an unfinished run; add --resume to continue it, or choose another --out"
                )
        elif self.path.exists() and any(self._foreign()):
            raise UserError(f"{self.path} is not empty and holds no run.json; choose a new folder for --out")

    def begin(self) -> None:
        """Write ``run.json`` or note there who resumes, and clear away what a kill has left of files being written."""
        self.path.mkdir(parents=True, exist_ok=True)
        for entry in self.path.rglob(f".*{PART_SUFFIX}"):  # a transfer's checkpoints lie a folder deeper
            entry.unlink(missing_ok=True)
        record = self.path / "run.json"
        stored = read_record(record) if record.exists() else {**self.run, "sittings": []}
        before = stored["sittings"] if stored.get("sittings") is not None else [_session(stored, stored)]
        write_json(record, {**stored, "sittings": [*before, _session(self.run, stored)]})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out: two that work on one run would ruin each other's files.

        Between ``check`` and here images may have been decoded for an hour, so what was checked is checked again. The
        lock file stays: were it removed, a process that has just opened it and one that makes it anew would both be in.

        Raises:
            UserError: Another process works in the folder, or has meanwhile begun a run there that ``check`` refuses.
        """
        with _open_locked(self.path / LOCK):
            self._check()
            if self.finished and not self._was_finished:
                raise UserError(f"{self.path}: another process has finished this run meanwhile; see {self.result}")
            yield

    def _foreign(self) -> Iterator[Path]:
        return (entry for entry in self.path.iterdir() if entry.name != LOCK and not _is_part(entry))

    @property
    def record(self) -> dict[str, Any]:
        """What this start was asked, in plain values as JSON has them: what ``last.pt`` says of which run it is."""
        plain: dict[str, Any] = json.loads(json.dumps(self.run))
        return plain

    @property
    def sessions(self) -> int:
        """How many commands have worked on the run, this one among them once it has begun."""
        return len(read_record(self.path / "run.json")["sittings"])

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

        Raises:
            UserError: Another line is no record.
        """
        if not os.path.lexists(self.metrics):
            return
        kept = [
            f"{json.dumps(record)}\n"
            for record in read_records(self.metrics)
            if record["step"] <= (evaluated_step if record["kind"] == "epoch" else step)
        ]
        with atomic_path(self.metrics) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")

    def note(self, key: str, value: Any) -> None:
        """Add to a section of ``run.json``, "SECTION.KEY", what is known only once the run is built."""
        section, _, name = key.partition(".")
        run = read_record(self.path / "run.json")
        write_json(self.path / "run.json", {**run, section: {**(run.get(section) or {}), name: value}})

    def finish(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write ``result.json``: what ``run.json`` says of the whole run, and what came out. Returns it."""
        write_json(self.result, {**read_record(self.path / "run.json"), **result})
        return read_json(self.result)


def _refuse_links_that_lead_out(folder: Path) -> None:
    """The folder itself may be a link; one inside it would have a run overwrite what lies elsewhere.

    Links that stay inside are left alone, as wandb makes some.
    """
    own = folder.resolve()
    for parent, folders, files in os.walk(folder):
        for place in (Path(parent, name) for name in (*folders, *files)):
            if place.is_symlink() and not Path(os.path.realpath(place)).is_relative_to(own):
                raise UserError(
                    f"{place} is a symbolic link that leads out of the run folder, and a run writes nothing through "
                    "one; delete it, or put there what it leads to"
                )


def _open_locked(path: Path) -> IO[str]:
    """The lock file, with this process's lock on it until it is closed; it names its owner."""
    deadline = time.monotonic() + SECONDS_TO_END
    while isinstance(lock := try_lock(path), Owner):
        if not lock.gone or time.monotonic() >= deadline:
            raise UserError(f"{path.parent}: another process works in this folder{lock}; wait for it or stop it")
        time.sleep(0.1)
    return lock


def _session(run: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Who works on a run now: command and time, and versions, code and hardware where others than it began with."""
    changed = {key: run[key] for key in ("versions", "code", "hardware") if key in run and run[key] != stored.get(key)}
    return {"command": run.get("command"), "started": run.get("started"), **changed}


def _is_part(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(PART_SUFFIX)


def command_line() -> str:
    """The command that started this process, ready to paste into a shell."""
    return shell_command(["python", *sys.argv])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested records by dotted keys, with lists for tuples, as JSON has them."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat


def with_former_settings(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record of a run; of a classification run that is older than some setting, with what that then was."""
    settings = run.get("settings")
    if run.get("task") != "classification" or not isinstance(settings, Mapping) or not settings:
        return run
    return {**run, "settings": {**FORMER_SETTINGS, **settings}}


def with_present_hash(there: Mapping[str, Any], asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record of a transfer; one of an older version with the hash that its configuration has today."""
    former = asked.get("former_hashes") or {}
    if former and there.get("config_hash") == former.get("config_hash"):
        return {**there, "config_hash": asked["config_hash"]}
    return there


def _check_same_run(record: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    ours, theirs = (flatten(run).get(PLUGIN) for run in (asked, there))
    if ours != theirs:
        raise UserError(
            f"{record.parent} was begun {_with_plugin(theirs)}, and this command is {_with_plugin(ours)}; give the "
            "file that it was begun with (--plugin FILE.py: no run loads one by itself), or choose another --out"
        )
    if different := differences(there, asked):
        raise UserError(f"{record.parent} holds another run ({different}); choose another --out")


def differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """In what the records of two runs differ, as a message has it, the first five; empty for the same run."""
    old, new = flatten(with_former_settings(with_present_hash(there, asked))), flatten(with_former_settings(asked))
    context = {key for key in old.keys() | new.keys() if key in CONTEXT_KEYS or key.split(".")[0] in CONTEXT_KEYS}
    different = sorted(key for key in (old.keys() | new.keys()) - context if old.get(key) != new.get(key))
    return "; ".join(f"{key}: {old.get(key)!r} there, {new.get(key)!r} asked" for key in different[:5])


def _with_plugin(digest: Any) -> str:
    return f"with the plugin of sha256 {str(digest)[:12]}" if digest else "without plugin"
