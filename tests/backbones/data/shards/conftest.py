from __future__ import annotations

from pathlib import Path

import pytest
from written_shards import sample, write


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """24 training images in three shards, 6 validation images in one; ten classes are numbers."""
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "data"
    for shard in range(3):
        members = [
            each for number in range(8 * shard, 8 * shard + 8) for each in sample(number, (8, 9, 10)[number % 3])
        ]
        write(root / f"imagenet-train-{shard:06d}.tar", members)
    write(
        root / "imagenet-val-000000.tar",
        [m for number in range(24, 30) for m in sample(number, (8, 9, 10)[number % 3])],
    )
    return root
