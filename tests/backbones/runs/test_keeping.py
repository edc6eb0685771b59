"""Checkpoints go once nobody needs them, and never before."""

from __future__ import annotations

from pathlib import Path

from pytest import fixture, raises

from backbones.runs.keeping import remove_checkpoints
from backbones.runs.run_folder import RunFolder


@fixture
def folder(tmp_path: Path) -> RunFolder:
    """An unfinished run with a checkpoint."""
    (tmp_path / "last.pt").write_bytes(bytes(3_000_000))
    return RunFolder(tmp_path, {})


def test_an_unfinished_run_keeps_its_checkpoint(folder: RunFolder) -> None:
    with raises(AssertionError, match="is not finished, and needs its checkpoints"):
        remove_checkpoints(folder, [folder.checkpoint])
    assert folder.checkpoint.is_file()


def test_a_finished_run_is_told_what_went(folder: RunFolder) -> None:
    folder.result.write_text("{}")
    gone = folder.path / "gone.pt"
    line = "removed last.pt (3 MB): the run is done; --keep all keeps checkpoints"
    assert remove_checkpoints(folder, [gone, folder.checkpoint]) == line
    assert not folder.checkpoint.exists()
    assert remove_checkpoints(folder, [gone, folder.checkpoint]) == ""


def test_what_cannot_be_removed_stays_and_is_told(folder: RunFolder) -> None:
    folder.result.write_text("{}")
    stuck = folder.path / "stuck.pt"
    stuck.mkdir()
    assert remove_checkpoints(folder, [stuck, folder.checkpoint]).startswith(f"{stuck} stays: ")


def test_a_link_goes_and_what_it_leads_to_stays(folder: RunFolder, tmp_path: Path) -> None:
    folder.result.write_text("{}")
    elsewhere = tmp_path / "elsewhere.pt"
    folder.checkpoint.rename(elsewhere)
    folder.checkpoint.symlink_to(elsewhere)
    remove_checkpoints(folder, [folder.checkpoint])
    assert not folder.checkpoint.is_symlink()
    assert elsewhere.is_file()
