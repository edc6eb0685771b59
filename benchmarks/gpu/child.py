"""The process of one step: ``python -m benchmarks.gpu.child '{...}'``, as ``benchmarks.gpu.runner`` starts it."""

from __future__ import annotations

import ctypes
import importlib
import json
import signal
import sys
from pathlib import Path

from backbones.cli.command import run_command
from backbones.files import write_json
from benchmarks.gpu.step import Place

_PARENT_DEATH_SIGNAL = 1  # Linux: PR_SET_PDEATHSIG


def main() -> None:
    """Do the step, and write what it found into the file that was asked for."""
    _end_with_the_parent()
    asked = json.loads(sys.argv[1])
    (step,) = (each for each in importlib.import_module(asked["registry"]).STEPS if each.name == asked["step"])
    photographs = Path(asked["photographs"]) if asked["photographs"] else None
    found = step(Place(asked["device"], Path(asked["scratch"]), photographs, asked["seconds"], asked["tiny"]))
    write_json(asked["answer"], found.as_json())


def _end_with_the_parent() -> None:
    """A runner that is killed cannot end this process, and a second one would measure beside it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


if __name__ == "__main__":
    run_command(main)
