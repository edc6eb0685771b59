"""A start that fails leaves no run folder behind."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from backbones.runs.run_folder import LOCK


class Rollback:
    """What was missing at a path: make one before a run folder is opened there.

    Whatever held something before is never touched; and nothing is where it is not ``owned``, because another process
    sees to it.
    """

    def __init__(self, path: Path, owned: bool = True) -> None:
        self.path = path
        self.missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        self.vacant = owned and (
            bool(self.missing) or (path.is_dir() and not any(entry.name != LOCK for entry in path.iterdir()))
        )

    @contextlib.contextmanager
    def restored_on_error(self) -> Iterator[None]:
        """On any error inside, Ctrl-C included, an empty folder is empty again and a missing one missing."""
        try:
            yield
        except BaseException:
            if self.vacant:
                self._restore()
            raise

    def _restore(self) -> None:
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        for folder in self.missing:
            with contextlib.suppress(OSError):  # another process may have put something in a common parent
                folder.rmdir()
