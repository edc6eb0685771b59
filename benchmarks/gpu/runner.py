"""Steps one after the other, each in a process of its own that may take so long and no longer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from backbones.files import read_json, write_bytes
from backbones.machine.processes import usable_cpus
from backbones.machine.versions import hardware, package_versions
from backbones.runs.fingerprint import ROOT
from backbones.runs.run_folder import command_line
from benchmarks.gpu.document import document
from benchmarks.gpu.record import FAILED, MEASURED, UNFINISHED, Entry, Record, read_machines
from benchmarks.gpu.step import Step
from benchmarks.harness.running import PACKAGES

CHILD = "benchmarks.gpu.child"
GRACE = 20.0  # seconds that a process has to end in after it was told to, before it is killed
_TOLD = 2000  # characters of its output that are kept of a step that fails


@dataclass(frozen=True)
class Session:
    """What was asked for. ``seconds`` is the time of a sitting, ``sittings`` how many there may be, None: as it takes.

    ``registry`` is the module that has the steps: another one in tests.
    """

    device: torch.device
    out: Path
    scratch: Path
    photographs: Path | None
    seconds: float
    sittings: int | None
    again: bool
    tiny: bool = False
    registry: str = "benchmarks.gpu.registry"


def run_steps(steps: Sequence[Step], session: Session, say: Callable[[str], None]) -> int:
    """Do what is not measured on this GPU yet, and write ``gpu.json`` and ``gpu.md`` after every sitting.

    A step that fails is written down, and the others go on. Returns how many have failed.
    """
    record = Record(session.out / "gpu.json", str(hardware(session.device)["name"]))
    left = len(steps) * 1000 if session.sittings is None else session.sittings
    failed = 0
    for step in steps:
        if record.is_measured(step.name) and not session.again:
            say(f"{step.name}: measured before")
            continue
        while left > 0:
            left -= 1
            say(f"{step.name}: {step.asks} (about {step.estimate} s)")
            entry = _sitting(step, session, record.entry(step.name))
            record.write(step.name, entry)
            write_document(session.out)
            say(f"{step.name}: {entry['status']} after {entry['seconds']:.0f} s" + _reason(entry))
            if entry["status"] != UNFINISHED:
                failed += entry["status"] == FAILED
                break
    write_document(session.out)
    return failed


def write_document(out: Path) -> None:
    """``out/gpu.md`` from ``out/gpu.json``."""
    write_bytes(out / "gpu.md", document(read_machines(out / "gpu.json")).encode())


def _reason(entry: Entry) -> str:
    lines = entry.get("error", "").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def _sitting(step: Step, session: Session, earlier: Entry | None) -> Entry:
    """Have the step's process work for a sitting; what it found, or why it did not."""
    scratch = session.scratch / step.name
    scratch.mkdir(parents=True, exist_ok=True)
    answer = scratch / "found.json"
    answer.unlink(missing_ok=True)
    started = time.perf_counter()
    ended, said = _run_child(step, session, answer, scratch / "log.txt")
    before = earlier["seconds"] if earlier and earlier["status"] == UNFINISHED else 0.0
    entry: Entry = {
        "command": command_line(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "seconds": round(before + time.perf_counter() - started, 1),
        "hardware": {**hardware(session.device), "cpus": usable_cpus(), "driver": _driver()},
        "versions": package_versions(PACKAGES),
    }
    if ended is None:
        error = f"it was ended after the {session.seconds:.0f} s of a sitting"
        return {**entry, "status": FAILED, "error": error}
    if ended or not answer.exists():
        return {**entry, "status": FAILED, "error": said or f"it ended with code {ended} and said nothing"}
    found = read_json(answer)
    return {**entry, "status": MEASURED if found["whole"] else UNFINISHED, **_of(found)}


def _of(found: dict[str, Any]) -> dict[str, Any]:
    return {"figures": found["figures"], "notes": list(found["notes"])}


def _run_child(step: Step, session: Session, answer: Path, log: Path) -> tuple[int | None, str]:
    """Exit code, None for a process that had to be ended, and the last of what it printed."""
    asked = {
        "registry": session.registry,
        "step": step.name,
        "device": session.device.type,
        "scratch": str(log.parent),
        "photographs": str(session.photographs) if session.photographs else None,
        "seconds": session.seconds - 2 * GRACE if session.seconds > 4 * GRACE else session.seconds / 2,
        "tiny": session.tiny,
        "answer": str(answer),
    }
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", CHILD, json.dumps(asked)],
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=_environment(session.device),
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(session.seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
    return code, log.read_text(errors="replace")[-_TOLD:]


def _environment(device: torch.device) -> dict[str, str]:
    """Of several GPUs the step's process sees the one that was asked for."""
    named = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    if device.type == "cuda" and device.index is not None:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        named["CUDA_VISIBLE_DEVICES"] = visible.split(",")[device.index] if visible else str(device.index)
    return {**os.environ, **named}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started, if they have not ended."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def _driver() -> str | None:
    try:
        import pynvml

        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except Exception:  # no driver, or none that says
        return None
