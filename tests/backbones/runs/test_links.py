"""A run folder from someone else may hold links and pipes: nothing is written through them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pytest import fixture, mark, raises

from backbones.errors import UserError
from backbones.files import append_line, open_to_append
from backbones.runs.locks import try_lock
from backbones.runs.run_folder import RunFolder

ASKED = {"task": "classification", "seed": 0}
KEPT = "kept as it is"


@fixture
def victim(tmp_path: Path) -> Path:
    """A file that is none of the run's."""
    path = tmp_path / "victim"
    path.write_text(KEPT)
    return path


def lock(path: Path) -> object:
    return try_lock(path)


def log(path: Path) -> object:
    return append_line(path, "{}")


WRITERS: list[Callable[[Path], object]] = [lock, log]


@mark.parametrize("write", WRITERS)
def test_nothing_is_written_through_a_link(write: Callable[[Path], object], victim: Path, tmp_path: Path) -> None:
    for name, target in (("link", victim), ("dangling", tmp_path / "new"), ("of-itself", tmp_path / "of-itself")):
        place = tmp_path / name
        place.symlink_to(target)
        with raises(UserError, match=rf"{name} is a symbolic link, and nothing is written through one; delete it"):
            write(place)
    assert victim.read_text() == KEPT
    assert not (tmp_path / "new").exists()


@mark.parametrize("write", WRITERS)
def test_a_pipe_is_refused_and_not_waited_for(write: Callable[[Path], object], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with raises(UserError, match=r"pipe is not a regular file, so nothing is written to it; delete it"):
        write(pipe)


def test_a_pipe_that_someone_reads_gets_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with raises(UserError, match="not a regular file"):
        append_line(pipe, "{}")
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_a_folder_of_that_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with raises(UserError, match=r"cannot write .*folder: Is a directory"):
        append_line(tmp_path / "folder", "{}")


def test_an_ordinary_file_grows(tmp_path: Path) -> None:
    for line in "ab":
        append_line(tmp_path / "log", line)
    with open_to_append(tmp_path / "log", "a+") as stream:
        assert os.get_blocking(stream.fileno())
        stream.seek(0)
        assert stream.read() == "a\nb\n"


def test_the_lock_of_a_run_cannot_lead_elsewhere(victim: Path, tmp_path: Path) -> None:
    folder = RunFolder.check(tmp_path / "run", ASKED, resume=False)
    folder.path.mkdir()
    (folder.path / ".lock").symlink_to(victim)
    with raises(UserError, match=r"\.lock is a symbolic link"), folder.locked():
        pass
    with raises(UserError, match=r"\.lock is a symbolic link that leads out of the run folder"):
        RunFolder.check(folder.path, ASKED, resume=False)
    assert victim.read_text() == KEPT


@mark.parametrize("name", ["metrics.jsonl", "pictures", "openmmlab/last_checkpoint", "last.pt"])
def test_a_run_is_not_resumed_where_links_lead_out(name: str, victim: Path, tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path / "run", ASKED, resume=False)
    place = folder.path / name
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(victim)
    with raises(UserError, match=rf"{name} is a symbolic link that leads out of the run folder"):
        RunFolder.check(folder.path, ASKED, resume=True)
    place.unlink()
    RunFolder.check(folder.path, ASKED, resume=True)


def test_the_folder_may_be_a_link_and_hold_links_that_stay_inside(tmp_path: Path) -> None:
    RunFolder.open(tmp_path / "run", ASKED, resume=False)
    (tmp_path / "run/wandb").mkdir()
    (tmp_path / "run/wandb/latest-run").symlink_to("run-20260101")
    (tmp_path / "link").symlink_to("run")
    folder = RunFolder.open(tmp_path / "link", ASKED, resume=True)
    with folder.locked():
        folder.log({"kind": "step", "step": 1})
    assert (tmp_path / "run/metrics.jsonl").is_file()
