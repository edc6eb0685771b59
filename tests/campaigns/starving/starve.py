"""Run a tool with too little of something: python starve.py JSON TOOL OPTIONS..., where JSON says of what.

{"descriptors": 40}   files that the process, and each one that it starts, may have open
{"memory": 100}       MiB of addresses more than it has once the libraries are there
{"file size": 1000}   bytes of a file that it writes; what is more fails as a full disk does
{"locks": "ENOLCK"}   file systems know no locks
"""

from __future__ import annotations

import errno
import fcntl
import json
import resource
import runpy
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

# Imported before the memory is taken: without them nothing is done, and their own messages are their authors' affair.
_TRAINING = ("torch", "PIL.Image", "numpy", "simplejpeg")
_TRANSFER = (*_TRAINING, "scipy.stats", "matplotlib.pyplot", "cv2", "pycocotools", "mmengine.runner")
_LIBRARIES = {
    "train_cls.py": _TRAINING,
    "prepare_data.py": (*_TRAINING, "cv2"),
    "compare.py": (*_TRAINING, "scipy.stats", "jinja2"),
    "transfer_det.py": _TRANSFER,
    "transfer_seg.py": _TRANSFER,
}
_STATUS = Path("/proc/self/statm")
_MIB = 2**20


def main() -> None:
    """Take away, then run the tool as if it had been started itself."""
    take: dict[str, Callable[[Any], None]] = {
        **{"descriptors": _descriptors, "memory": _memory, "file size": _file_size, "locks": _locks}
    }
    for name, value in json.loads(sys.argv[1]).items():
        take[name](value)
    sys.argv[:2] = []
    runpy.run_path(sys.argv[0], run_name="__main__")


def _descriptors(count: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def _memory(more: int) -> None:
    for library in _LIBRARIES.get(Path(sys.argv[2]).name, ()):
        import_module(library)
    used = int(_STATUS.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more * _MIB, resource.RLIM_INFINITY))


def _file_size(count: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails, and the process goes on
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, count))


def _locks(code: str) -> None:
    number = getattr(errno, code)

    def refuse(*_: Any) -> NoReturn:
        raise OSError(number, errno.errorcode[number])

    fcntl.flock = fcntl.lockf = refuse


if __name__ == "__main__":
    main()
