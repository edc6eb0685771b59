"""What tests of whole suites share: a display that shows nothing, and a data set of two classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studies.suite.executors.board import Board
from studies.suite.executors.local import Reporter


class Silent:
    def changed(self, status: object, what: str) -> None: ...

    def tick(self) -> None: ...


@contextmanager
def silent(board: Board) -> Iterator[Reporter]:
    yield Silent()


def write_two_classes(folder: Path) -> Path:
    """An ImageFolder with a file in each class, which nobody decodes."""
    for split in ("train", "val"):
        for name in ("a", "b"):
            (folder / split / name).mkdir(parents=True)
            (folder / split / name / "1.png").write_bytes(b"picture")
    return folder
