"""Tools as processes of their own, forked from one that has imported PyTorch and OpenMMLab already.

Of a small transfer's ten seconds of processor time, six are imports. A forked tool has its own arguments, folder,
environment, streams and exit status, and runs its file as ``__main__``; only the imports are there before it begins.
Whatever is about a start itself (how long it takes, what it imports, signals, torchrun, settings of Python or of a
library) starts Python anew: ``subprocess``.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Read when Python or a library begins, so those that differ in them are forked from different processes.
READ_AT_START = ("PYTHON", "HF_", "OMP_", "MKL_", "OPENBLAS_", "LANG", "LC_", "LD_", "MPL")


def run_tool(
    words: Sequence[str | Path], env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """A tool with its options; ``words`` begin with the tool's file.

    Args:
        words: The command without Python.
        env: Its environment; this process's otherwise.
        cwd: The folder that it begins in; this process's otherwise.
        timeout: Seconds until it is killed.

    Raises:
        subprocess.TimeoutExpired: It took longer.
    """
    environment = dict(os.environ if env is None else env)
    command = [str(word) for word in words]
    request = {"words": command, "environment": environment, "folder": str(cwd or Path.cwd())}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        at_start = tuple(sorted((name, environment[name]) for name in environment if name.startswith(READ_AT_START)))
        status = _server(at_start).run(request, (out.fileno(), errors.fileno()), timeout)
        texts = []
        for stream in (out, errors):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8"))
    if status is None:
        raise subprocess.TimeoutExpired(command, timeout, *texts)
    return subprocess.CompletedProcess(command, status, *texts)


class _Server:
    """The process that forks; one for each that runs tests."""

    def __init__(self, at_start: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        others = {name: value for name, value in os.environ.items() if not name.startswith(READ_AT_START)}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env={**others, **at_start},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self._answers = self._socket.makefile("r")
        atexit.register(self._process.kill)

    def run(self, request: Mapping[str, Any], streams: Sequence[int], timeout: float) -> int | None:
        """The exit status as ``subprocess`` has it, or None after a timeout."""
        content = json.dumps(request).encode()
        socket.send_fds(self._socket, [len(content).to_bytes(8, "big")], list(streams))
        self._socket.sendall(content)
        process = int(self._answers.readline())
        timer = threading.Timer(timeout, os.kill, (process, signal.SIGKILL))
        timer.start()
        started = time.monotonic()
        status = int(self._answers.readline())
        timer.cancel()
        return None if status == -signal.SIGKILL and time.monotonic() - started >= timeout else status


@cache
def _server(at_start: tuple[tuple[str, str], ...]) -> _Server:
    return _Server(dict(at_start))


def _serve(handle: int) -> None:
    _import_what_tools_need()
    with socket.socket(fileno=handle) as connection:
        while True:
            length, streams, *_ = socket.recv_fds(connection, 8, 2)
            if not length:
                return
            content = b""
            while len(content) < int.from_bytes(length, "big"):
                content += connection.recv(1 << 16)
            process = os.fork()
            if not process:
                connection.close()
                _become(json.loads(content), streams)
            for stream in streams:
                os.close(stream)
            connection.sendall(f"{process}\n".encode())
            connection.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])}\n".encode())


def _import_what_tools_need() -> None:
    sys.path.insert(0, str(ROOT))
    import matplotlib.figure  # noqa: F401
    import mmengine.runner  # noqa: F401
    import timm  # noqa: F401
    import torchvision  # noqa: F401

    from transfer.openmmlab import ops_bridge

    ops_bridge.install()
    import mmseg.datasets
    import mmseg.models  # noqa: F401

    sys.path.pop(0)


def _become(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Be the tool, to the end of this process."""
    import numpy as np

    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    random.seed()  # a process that begins has its own
    np.random.seed()
    sys.argv = request["words"]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    status = 1
    try:
        status = _status_of(sys.argv[0])
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(status)


def _status_of(tool: str) -> int:
    """The exit status that Python gives what running a file ends with."""
    try:
        runpy.run_path(tool, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
