"""Files of slow tests come first, so that no process is left alone with one of them at the end."""

from __future__ import annotations

import pytest

SLOW = ("slow", "processes")  # markers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file: most slow tests first; otherwise everything stays in its order.

    ``--dist loadfile`` by itself begins with the files of the most tests (which is why the Makefile has
    ``--no-loadscope-reorder``), but the longest files hold few, so they would begin last.
    """
    slow: dict[str, int] = {}
    for item in items:
        file = item.nodeid.partition("::")[0]
        slow[file] = slow.get(file, 0) + any(item.get_closest_marker(name) is not None for name in SLOW)
    items.sort(key=lambda item: -slow[item.nodeid.partition("::")[0]])
