"""The runs of an ablation, one after the other, each a command of its own that resumes what it finds."""

from __future__ import annotations

import contextlib
import io
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import IO, Any

from backbones.ablation import Ablation, AblationRow
from backbones.data.image_folder import open_image_folder
from backbones.errors import UserError
from backbones.files import read_json

RunKey = tuple[str, int]  # label of the row, seed
Parse = Callable[[Sequence[str]], Mapping[str, Any]]
# What may differ between a run as it is and as it is asked for: where and how it runs, not what comes out. The recipe
# and its tricks are compared by the name that they have together, because their order does not matter.
NOT_COMPARED = {
    *("data", "out", "resume", "workers", "device", "tensorboard", "wandb", "dry_run"),
    *("recipe", "switched_on", "switched_off"),
}


def train_all(ablation: Ablation, done: Callable[[Mapping[RunKey, str]], None]) -> dict[RunKey, str]:
    """Train what is not finished, and return what failed, with its last words.

    Args:
        ablation: What to train.
        done: Called with the failures so far, at the start and after each run.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; the run has stopped too, having saved what it needs to continue.
    """
    failures: dict[RunKey, str] = {}
    runs = list(ablation.runs())
    waiting = [run for run in runs if not (ablation.folder(*run) / "result.json").exists()]
    print(f"{len(runs)} runs, {len(runs) - len(waiting)} of them finished already", flush=True)
    done(failures)
    for number, (row, seed) in enumerate(waiting, 1):
        command = ablation.command(row, seed)
        print(f"\n[{number}/{len(waiting)}] {row.label}, seed {seed}\npython {shlex.join(command)}", flush=True)
        if (words := _train(command)) is not None:
            failures[row.label, seed] = words
            print(f"FAILED: {row.label}, seed {seed}: {words}", file=sys.stderr, flush=True)
        done(failures)
    return failures


def check_same_options(ablation: Ablation, parse: Parse) -> None:
    """Refuse to count runs, finished or not, that were started with other options.

    Args:
        ablation: What is asked.
        parse: The options of ``tools/train_cls.py`` from a command line's words.

    Raises:
        UserError: Some run was, or was on other images; the message names the first option that differs.
    """
    records = [(row, seed, ablation.folder(row, seed) / "run.json") for row, seed in ablation.runs()]
    fingerprint = open_image_folder(ablation.data).fingerprint if any(path.exists() for *_, path in records) else ""
    for row, seed, record in records:
        if record.exists():
            run = read_json(record)
            if run.get("recipe") != row.settled.name:
                raise UserError(f"{record} is a run of {run.get('recipe')} and not of {row.settled.name}; move it away")
            there = _parse_recorded(run.get("command"), parse)
            if there is None:
                raise UserError(f"{record}: no 'command' of tools/train_cls.py in it; move the folder away")
            _compare(ablation, row, seed, there, parse)
            if run.get("data", {}).get("fingerprint") != fingerprint:
                raise UserError(
                    f"{record} is a run on other images than those in {ablation.data}; choose another --out"
                )


def _compare(ablation: Ablation, row: AblationRow, seed: int, there: Mapping[str, Any], parse: Parse) -> None:
    asked = parse(ablation.command(row, seed)[1:])
    for name in sorted(asked.keys() - NOT_COMPARED):
        if there.get(name) != asked[name]:
            option = f"--{name.replace('_', '-')}"
            raise UserError(
                f"{ablation.folder(row, seed)} was run with {option} {there.get(name)} and {asked[name]} is asked now "
                "(None: the recipe's); choose another --out"
            )


def _parse_recorded(command: Any, parse: Parse) -> Mapping[str, Any] | None:
    """None when it is not a command of ``tools/train_cls.py``."""
    if not isinstance(command, str):
        return None
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return parse(shlex.split(command)[2:])
    except (SystemExit, ValueError):
        return None


def _train(command: Sequence[str]) -> str | None:
    """Run a command to its end; None when it succeeded, else the last line on its stderr."""
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True, errors="replace")
    said: list[str] = []
    # A thread, because workers of a killed process may hold the pipe open for some time.
    listener = threading.Thread(target=_pass_on, args=(process.stderr, said), daemon=True)
    listener.start()

    def terminate(number: int, frame: FrameType | None) -> None:
        process.terminate()
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()  # Ctrl-C has reached it too, and it saves what it has
        raise KeyboardInterrupt("repeat the command to continue") from None
    finally:
        signal.signal(signal.SIGTERM, previous)
        listener.join(timeout=5)
    if code == 0:
        return None
    return said[-1] if said else f"ended with exit code {code} and said nothing"


def _pass_on(stream: IO[str], said: list[str]) -> None:
    """Copy to stderr, and remember the last line that is not empty."""
    for line in stream:
        sys.stderr.write(line)
        sys.stderr.flush()
        if line.strip():
            said[:] = [line.strip()]
