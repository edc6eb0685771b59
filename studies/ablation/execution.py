"""The runs of an ablation, one after the other, each a command of its own that resumes what it finds."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import IO

from backbones.cli.guidance import is_guidance
from backbones.cli.shell import shell_command
from studies.ablation.rows import Ablation

RunKey = tuple[str, int]  # label of the row, seed


def train_all(ablation: Ablation, done: Callable[[Mapping[RunKey, str]], object]) -> dict[RunKey, str]:
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
        print(f"\n[{number}/{len(waiting)}] {row.label}, seed {seed}\npython {shell_command(command)}", flush=True)
        if (words := _train(command)) is not None:
            failures[row.label, seed] = words
            print(f"FAILED: {row.label}, seed {seed}: {words}", file=sys.stderr, flush=True)
        done(failures)
    return failures


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
        if is_guidance(line):
            continue
        sys.stderr.write(line)
        sys.stderr.flush()
        if line.strip():
            said[:] = [line.strip()]
