"""A user's script, seen from the processes that it starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def main_not_run_again() -> Iterator[None]:
    """Processes that are spawned meanwhile do not run the main script first.

    Python has each of them do so, for what the script may define. A script without ``if __name__ == "__main__"`` would
    train once more in every one. Ours need nothing of it. Meanwhile the script looks like what is typed at a prompt.
    """
    main = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {name: main[name] for name in ("__spec__", "__file__") if name in main}
    main["__spec__"] = None
    main.pop("__file__", None)
    try:
        yield
    finally:
        main.update(hidden)
