"""A start that fails leaves what was there, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbones.runs.run_folder import LOCK
from transfer.run.rollback import Rollback


def fail_with(out: Path, error: type[BaseException]) -> None:
    rollback = Rollback(out)
    (out / "openmmlab" / "log").mkdir(parents=True)
    (out / "run.json").write_text("{}")
    with rollback.restored_on_error():
        raise error


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_was_missing_is_missing_again(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        fail_with(tmp_path / "deep" / "run", error)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_stays_and_is_empty(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(ZeroDivisionError):
        fail_with(tmp_path / "run", ZeroDivisionError)
    assert list(tmp_path.rglob("*")) == [tmp_path / "run"]


def test_a_folder_that_held_something_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ZeroDivisionError):
        fail_with(tmp_path, ZeroDivisionError)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (tmp_path / "run.json").exists()


def test_a_parent_that_others_use_meanwhile_stays(tmp_path: Path) -> None:
    rollback = Rollback(tmp_path / "suite" / "run")
    for name in ("run", "other"):
        (tmp_path / "suite" / name).mkdir(parents=True)
    with pytest.raises(ZeroDivisionError), rollback.restored_on_error():
        raise ZeroDivisionError
    assert list((tmp_path / "suite").iterdir()) == [tmp_path / "suite" / "other"]


def test_success_keeps_everything(tmp_path: Path) -> None:
    rollback = Rollback(tmp_path / "run")
    with rollback.restored_on_error():
        (tmp_path / "run").mkdir()
    assert (tmp_path / "run").is_dir()


def test_what_another_process_owns_is_left_to_it(tmp_path: Path) -> None:
    rollback = Rollback(tmp_path / "run", owned=False)
    (tmp_path / "run").mkdir()
    with pytest.raises(ZeroDivisionError), rollback.restored_on_error():
        raise ZeroDivisionError
    assert (tmp_path / "run").exists()


def test_a_lock_that_a_kill_left_occupies_nothing(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()

    def fail() -> None:
        (tmp_path / "run.json").touch()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), Rollback(tmp_path).restored_on_error():
        fail()
    assert list(tmp_path.iterdir()) == []
