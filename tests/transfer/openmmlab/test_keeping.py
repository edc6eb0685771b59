"""The weights of a finished transfer stay; whatever is doubtful stays as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backbones.runs.run_folder import RunFolder
from transfer.openmmlab.keeping import keep_weights

LAST = 6


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A finished run with two checkpoints, of iterations 4 and 6."""
    (tmp_path / "openmmlab").mkdir()
    for step in (4, LAST):
        state = {"meta": {"iter": step}, "state_dict": {"weight": torch.full((9,), step)}, "optimizer": torch.ones(99)}
        torch.save(state, tmp_path / "openmmlab" / f"iter_{step}.pth")
    (tmp_path / "openmmlab/best_miou_iter_4.pth").write_bytes(b"weights")
    (tmp_path / "result.json").write_text("{}")
    return RunFolder(tmp_path, {})


def names(folder: RunFolder) -> list[str]:
    return sorted(path.name for path in (folder.path / "openmmlab").iterdir())


def test_the_last_weights_stay(folder: RunFolder) -> None:
    keep_weights(folder, folder.path / "openmmlab", LAST)
    assert names(folder) == ["best_miou_iter_4.pth", "weights.pth"]
    content = torch.load(folder.path / "openmmlab/weights.pth", weights_only=True)
    assert torch.equal(content["state_dict"]["weight"], torch.full((9,), LAST))
    assert "optimizer" not in content
    assert keep_weights(folder, folder.path / "openmmlab", LAST) == ""


def test_weights_that_were_not_measured_are_not_taken_for_the_last(folder: RunFolder) -> None:
    before = names(folder)
    told = keep_weights(folder, folder.path / "openmmlab", LAST + 2)
    assert told.startswith("the checkpoints stay: ")
    assert told.endswith("iter_6.pth is not of the last iteration, 8")
    assert names(folder) == before


def test_a_damaged_checkpoint_costs_nothing_else(folder: RunFolder) -> None:
    (folder.path / "openmmlab/iter_6.pth").write_bytes(b"half of it")
    before = names(folder)
    assert "iter_6.pth is damaged" in keep_weights(folder, folder.path / "openmmlab", LAST)
    assert names(folder) == before


def test_an_unfinished_run_loses_nothing(folder: RunFolder) -> None:
    folder.result.unlink()
    with pytest.raises(AssertionError, match="is not finished"):
        keep_weights(folder, folder.path / "openmmlab", LAST)
    assert {"iter_4.pth", "iter_6.pth"} <= set(names(folder))
