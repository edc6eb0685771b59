"""Which checkpoint a resumed training takes."""

from __future__ import annotations

from pathlib import Path

import torch

from transfer.openmmlab.checkpoints import latest_checkpoint


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {"weight": torch.ones(1000)}}, path)
    return path


def test_the_newest_by_number(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "none") is None
    save(tmp_path / "iter_2.pth")
    newest = save(tmp_path / "iter_10.pth")
    save(tmp_path / "iter_9.pth")
    save(tmp_path / "best_detection_voc_map_epoch_12.pth")
    (tmp_path / "last_checkpoint").write_text("/elsewhere/iter_2.pth")
    assert latest_checkpoint(tmp_path) == newest


def test_one_that_a_kill_has_cut_short_does_not_count(tmp_path: Path) -> None:
    whole = save(tmp_path / "epoch_1.pth")
    for number, share in enumerate((0.0, 0.3, 0.99), start=2):
        cut = save(tmp_path / f"epoch_{number}.pth")
        content = cut.read_bytes()
        cut.write_bytes(content[: int(len(content) * share)])
    assert latest_checkpoint(tmp_path) == whole
    whole.unlink()
    assert latest_checkpoint(tmp_path) is None
