"""Pictures, one after the other; one that cannot be drawn costs neither the others nor what was measured."""

from __future__ import annotations

import logging
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.logging import print_log
from numpy.typing import NDArray

from backbones.errors import UserError

Job = Callable[[Path], None]


class Maps(NamedTuple):
    """Label map and prediction (H, W) of one image, classes from 0; labels beyond the classes mean none."""

    label: NDArray
    prediction: NDArray


def draw_all(folder: Path, prepare: Callable[[], Iterable[tuple[str, Job]]]) -> dict[str, Any]:
    """Make the folder anew with pictures, and return the names of those "drawn" and the reasons of those "failed".

    A failure is printed in one line; its traceback goes into the log of the run.

    Args:
        folder: Nothing else is kept there.
        prepare: Gives the file names and what draws each.

    Raises:
        UserError: What also keeps a result from being written, a full disk for instance.
    """
    shutil.rmtree(folder, ignore_errors=True)
    drawn: list[str] = []
    failed: dict[str, str] = {}
    jobs: list[tuple[str, Job]] = []
    with _noted(folder, failed):
        jobs += prepare()
    for name, draw in jobs:
        with _noted(folder / name, failed):
            draw(folder / name)
            drawn.append(name)
    return {"drawn": drawn, **({"failed": failed} if failed else {})}


@contextmanager
def _noted(path: Path, failed: dict[str, str]) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        failed[path.name] = f"{type(error).__name__}: {error}"
        print_log(traceback.format_exc(), logger="current", level=logging.WARNING)
        print(f"{path} could not be drawn ({failed[path.name]}); the result is not affected", file=sys.stderr)
