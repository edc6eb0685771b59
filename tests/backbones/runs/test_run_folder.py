"""One run, one folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO

from pytest import MonkeyPatch, fail, mark, raises

from backbones.errors import MachineError, UserError
from backbones.runs.run_folder import RunFolder, with_former_settings

ROOT = Path(__file__).resolve().parents[3]
ASKED = {"task": "classification", "seed": 0, "data": {"root": "/here", "fingerprint": "f"}, "versions": {"torch": "1"}}


def test_a_run_from_start_to_finish(tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path / "run", ASKED, resume=False)
    assert json.loads((folder.path / "run.json").read_text())["seed"] == 0
    assert not folder.finished
    folder.log({"kind": "step", "step": 1, "loss": 2.0})
    folder.finish({"metrics": {"top1": 50.0}})
    result = json.loads(folder.result.read_text())
    assert result["metrics"] == {"top1": 50.0}
    assert result["task"] == "classification"
    assert RunFolder.open(folder.path, ASKED, resume=True).finished


def test_what_is_known_once_it_is_built_joins_the_record_and_is_not_asked_again(tmp_path: Path) -> None:
    trained = {**ASKED, "training": {"epochs": 2.0}}
    folder = RunFolder.open(tmp_path, trained, resume=False)
    folder.note("training.updates", 7)
    assert json.loads((tmp_path / "run.json").read_text())["training"] == {"epochs": 2.0, "updates": 7}
    RunFolder.open(tmp_path, trained, resume=True)
    with raises(UserError, match=r"training\.epochs: 2\.0 there, 3\.0 asked"):
        RunFolder.open(tmp_path, {**ASKED, "training": {"epochs": 3.0}}, resume=True)


def test_resumption_may_move_data_and_upgrade(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, ASKED, resume=False)
    moved = {**ASKED, "data": {"root": "/there", "fingerprint": "f"}, "versions": {"torch": "2"}, "fixed_hash": "new"}
    moved["code"] = "mended"
    assert RunFolder.open(tmp_path, moved, resume=True).run["data"]["root"] == "/there"


def test_a_transfer_of_an_older_version_goes_on_and_another_one_does_not(tmp_path: Path) -> None:
    """It recorded another hash of the same configuration."""
    RunFolder.open(tmp_path, {**ASKED, "config_hash": "old", "fixed_hash": "older"}, resume=False)
    now = {**ASKED, "config_hash": "new", "fixed_hash": "newer"}
    with raises(UserError, match="config_hash: 'old' there, 'new' asked"):
        RunFolder.open(tmp_path, {**now, "former_hashes": {"config_hash": "another"}}, resume=True)
    RunFolder.open(tmp_path, {**now, "former_hashes": {"config_hash": "old"}}, resume=True)


@mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed: 0 there, 1 asked"),
        ({"data": {"root": "/here", "fingerprint": "g"}}, "data.fingerprint: 'f' there"),
        ({"extra": True}, "extra: None there, True asked"),
        ({"tuned": {"search": 5, "changed": {}}}, "tuned.search: None there, 5 asked"),
    ],
)
def test_another_run_is_refused_and_left_alone(tmp_path: Path, change: dict, named: str) -> None:
    RunFolder.open(tmp_path, ASKED, resume=False)
    before = (tmp_path / "run.json").read_bytes()
    with raises(UserError, match=named):
        RunFolder.open(tmp_path, {**ASKED, **change}, resume=True)
    assert (tmp_path / "run.json").read_bytes() == before


TRAINING = {**ASKED, "settings": {"epochs": 5, "color": "paper"}}


def test_a_training_from_before_there_were_colours_had_the_papers(tmp_path: Path) -> None:
    older = {**TRAINING, "settings": {"epochs": 5}}
    RunFolder.open(tmp_path, older, resume=False)
    with raises(UserError, match=r"another run \(settings.color: 'paper' there, 'gluoncv' asked\)"):
        RunFolder.open(tmp_path, {**TRAINING, "settings": {"epochs": 5, "color": "gluoncv"}}, resume=True)
    folder = RunFolder.open(tmp_path, TRAINING, resume=True)
    assert len(json.loads((folder.path / "run.json").read_text())["sittings"]) == 2


@mark.parametrize(
    "run",
    [
        {"task": "detection", "settings": {"epochs": 5}},
        {"task": "classification"},
        {"task": "classification", "settings": {}},
        {"task": "classification", "settings": "damaged"},
        {"task": "classification", "settings": {"epochs": 5, "color": "gluoncv"}},
    ],
)
def test_no_other_record_is_given_a_colour(run: dict) -> None:
    assert with_former_settings(run) == run


def test_the_same_run_again_needs_resume(tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path, ASKED, resume=False)
    with raises(UserError, match="unfinished run; add --resume"):
        RunFolder.open(tmp_path, ASKED, resume=False)
    folder.finish({})
    with raises(UserError, match="a finished run"):
        RunFolder.open(tmp_path, ASKED, resume=False)


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with raises(UserError, match="is not empty"):
        RunFolder.open(tmp_path, ASKED, resume=False)
    with raises(UserError, match="is a file"):
        RunFolder.open(tmp_path / "holiday.jpg", ASKED, resume=False)


def logged(folder: RunFolder) -> list[tuple[str, int]]:
    return [(record["kind"], record["step"]) for record in map(json.loads, folder.metrics.read_text().splitlines())]


def records(folder: RunFolder) -> None:
    for kind, step in (("step", 10), ("epoch", 10), ("step", 20), ("epoch", 20), ("step", 30)):
        folder.log({"kind": kind, "step": step})


def test_records_after_the_checkpoint_are_forgotten(tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path, ASKED, resume=False)
    records(folder)
    with open(folder.metrics, "a") as stream:
        stream.write('{"step": 4')  # a line that a kill cut short
    folder.forget_after(20, 20)
    assert logged(folder) == [("step", 10), ("epoch", 10), ("step", 20), ("epoch", 20)]


@mark.parametrize(
    ("step", "evaluated_step", "kept"),
    [
        (0, 0, []),
        (10, 0, [("step", 10)]),
        (10, 10, [("step", 10), ("epoch", 10)]),
        # Killed after the evaluation was logged and before it was saved: it is about to be logged once more.
        (20, 10, [("step", 10), ("epoch", 10), ("step", 20)]),
        (29, 20, [("step", 10), ("epoch", 10), ("step", 20), ("epoch", 20)]),
        (30, 20, [("step", 10), ("epoch", 10), ("step", 20), ("epoch", 20), ("step", 30)]),
    ],
)
def test_evaluations_are_kept_as_far_as_they_are_saved(
    tmp_path: Path, step: int, evaluated_step: int, kept: list[tuple[str, int]]
) -> None:
    folder = RunFolder.open(tmp_path, ASKED, resume=False)
    records(folder)
    folder.forget_after(step, evaluated_step)
    assert logged(folder) == kept
    folder.forget_after(step, evaluated_step)
    assert logged(folder) == kept


def test_nothing_logged_is_nothing_to_forget(tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path, ASKED, resume=False)
    folder.forget_after(0, 0)
    assert not folder.metrics.exists()


@mark.parametrize("origin", ["teacher", "init_from"])
def test_weights_from_elsewhere_may_move_and_may_not_change(tmp_path: Path, origin: str) -> None:
    asked = {**ASKED, origin: {"path": "/here/a.safetensors", "sha256": "1234"}}
    RunFolder.open(tmp_path, asked, resume=False)
    moved = {**ASKED, origin: {"path": "/there/b.safetensors", "sha256": "1234"}}
    assert RunFolder.open(tmp_path, moved, resume=True).run[origin]["path"] == "/there/b.safetensors"
    for other in ({**ASKED, origin: {"path": "/here/a.safetensors", "sha256": "5678"}}, ASKED):
        with raises(UserError, match=rf"{origin}\.sha256: '1234' there"):
            RunFolder.open(tmp_path, other, resume=True)


def test_checking_writes_nothing(tmp_path: Path) -> None:
    folder = RunFolder.check(tmp_path / "run", ASKED, resume=False)
    assert not folder.path.exists()
    folder.begin()
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]


def test_what_a_kill_left_half_written_is_no_obstacle(tmp_path: Path) -> None:
    left = tmp_path / ".run.json.x1y2.part"
    left.write_text("{")
    folder = RunFolder.open(tmp_path, ASKED, resume=True)
    assert not left.exists()
    assert (folder.path / "run.json").exists()
    (tmp_path / "openmmlab").mkdir()
    (tmp_path / "openmmlab/.iter_4.pth.x1y2.part").write_text("half")
    (tmp_path / "openmmlab/iter_2.pth").write_text("whole")
    RunFolder.open(tmp_path, ASKED, resume=True)
    assert [path.name for path in (tmp_path / "openmmlab").iterdir()] == ["iter_2.pth"]


def test_another_hidden_file_is_an_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".part.txt").write_text("mine")
    with raises(UserError, match=r"is not empty and holds no run\.json"):
        RunFolder.open(tmp_path, ASKED, resume=True)


def test_two_processes_cannot_work_in_one_folder(tmp_path: Path) -> None:
    """A lock belongs to an open file, so two in one process exclude each other as two processes do."""
    first, second = (RunFolder.check(tmp_path / "run", ASKED, resume=True) for _ in range(2))
    with first.locked():
        first.begin()
        with raises(UserError, match="another process works in this folder"), second.locked():
            pass
    with second.locked():  # the first has gone
        second.begin()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".lock", "run.json"]


# Takes the lock of the folder it is given, leaves it to a child for the given seconds, and is killed.
KILLED = """
import os, signal, sys, time
from pathlib import Path
from backbones.runs.run_folder import LOCK, _open_locked

lock = _open_locked(Path(sys.argv[1]) / LOCK)
if os.fork() == 0:
    time.sleep(float(sys.argv[2]))
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""


@mark.parametrize(("seconds", "message"), [(1.5, None), (30, r"works in this folder \(number \d+ on .+\); wait")])
def test_a_killed_run_is_over_when_its_children_are(
    seconds: float, message: str | None, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    """Loading processes inherit the lock, and notice only after seconds that they are orphans."""
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(seconds)], cwd=ROOT, start_new_session=True
    )
    try:
        assert killed.wait() == -signal.SIGKILL
        monkeypatch.setattr("backbones.runs.run_folder.SECONDS_TO_END", 15.0 if message is None else 0.5)
        folder = RunFolder.check(tmp_path, ASKED, resume=True)
        begun = time.monotonic()
        with nullcontext() if message is None else raises(UserError, match=message), folder.locked():
            assert (tmp_path / ".lock").read_text().split()[1] == str(os.getpid())
        assert time.monotonic() - begun >= 0.3  # it had to wait, or to give up
    finally:
        with suppress(ProcessLookupError):
            os.killpg(killed.pid, signal.SIGKILL)


def test_a_living_owner_is_not_waited_for(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: fail("it waits"))
    first, second = (RunFolder.check(tmp_path, ASKED, resume=True) for _ in range(2))
    with (
        first.locked(),
        raises(UserError, match=rf"number {os.getpid()} on .+; wait for it or stop it"),
        second.locked(),
    ):
        pass


def test_the_lock_file_stays(tmp_path: Path) -> None:
    """A process that has opened it before it was removed, and one that makes it anew, would both hold a lock."""
    folder = RunFolder.check(tmp_path / "run", ASKED, resume=True)
    with folder.locked():
        inode = (folder.path / ".lock").stat().st_ino
    assert (folder.path / ".lock").stat().st_ino == inode
    RunFolder.open(folder.path, ASKED, resume=False)  # a lock is not a run


def test_a_lock_on_a_file_that_was_removed_keeps_nobody_out(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """Someone clears the folder just before the lock is taken; what counts is the file that others will find."""
    folder = RunFolder.check(tmp_path / "run", ASKED, resume=True)
    take, removed = fcntl.flock, []

    def clear_first(stream: IO[str], operation: int) -> None:
        if not removed:
            removed.append((folder.path / ".lock").unlink())
        take(stream, operation)

    monkeypatch.setattr(fcntl, "flock", clear_first)
    other = RunFolder.check(tmp_path / "run", ASKED, resume=True)
    with folder.locked(), raises(UserError, match="another process works in this folder"), other.locked():
        pass
    assert removed


@mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_disk_without_locks_is_told_and_nothing_begins(number: int, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """As NFS without its lock service; ``BlockingIOError`` alone means that another process has the lock."""

    def refuse(stream: IO[str], operation: int) -> None:
        raise OSError(number, os.strerror(number))

    folder = RunFolder.check(tmp_path / "run", ASKED, resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        with raises(MachineError, match=r"run/\.lock cannot be locked .*another disk"), folder.locked():
            pass
    assert [entry.name for entry in folder.path.iterdir()] == [".lock"]
    with folder.locked():  # with locks, the same folder serves
        folder.begin()


@mark.parametrize(
    ("other", "resume", "message"),
    [
        ({**ASKED, "seed": 1}, True, "holds another run"),
        (ASKED, False, "holds an unfinished run; add --resume"),
    ],
)
def test_what_another_process_has_begun_meanwhile_is_seen(
    tmp_path: Path, other: dict, resume: bool, message: str
) -> None:
    """Both found the folder empty; then one decoded images for an hour."""
    slow, quick = RunFolder.check(tmp_path, ASKED, resume), RunFolder.check(tmp_path, other, resume)
    with quick.locked():
        quick.begin()
    before = (tmp_path / "run.json").read_bytes()
    with raises(UserError, match=message), slow.locked():
        slow.begin()
    assert (tmp_path / "run.json").read_bytes() == before


def test_what_another_process_has_finished_meanwhile_is_not_done_again(tmp_path: Path) -> None:
    slow, quick = (RunFolder.check(tmp_path, ASKED, resume=True) for _ in range(2))
    with quick.locked():
        quick.begin()
        quick.finish({"metrics": {}})
    with raises(UserError, match="another process has finished this run meanwhile"), slow.locked():
        pass
    with RunFolder.check(tmp_path, ASKED, resume=True).locked():  # who knows that it is finished may look
        pass


def test_a_resumed_run_says_who_began_it_and_who_resumed_it(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    def sit(command: str, **changes: object) -> RunFolder:
        monkeypatch.setattr("sys.argv", [command])
        return RunFolder.open(tmp_path, {**ASKED, **changes}, resume=True)

    sit("first.py")
    sit("second.py", versions={"torch": "2"}, code="mended")
    result = sit("third.py").finish({"metrics": {"top1": 1.0}})
    assert (result["command"], result["versions"]) == ("python first.py", {"torch": "1"})
    assert [start["command"] for start in result["sittings"]] == [
        *("python first.py", "python second.py", "python third.py"),
    ]
    assert [start.get("versions") for start in result["sittings"]] == [None, {"torch": "2"}, None]
    assert [start.get("code") for start in result["sittings"]] == [None, "mended", None]
    assert result["sittings"][0]["started"] == result["started"]
    assert json.loads((tmp_path / "run.json").read_text())["sittings"] == result["sittings"]


def test_a_run_of_before_starts_were_noted_has_its_first_one(tmp_path: Path) -> None:
    old = {**ASKED, "command": "python old.py", "started": "2020"}
    (tmp_path / "run.json").write_text(json.dumps(old))
    result = RunFolder.open(tmp_path, ASKED, resume=True).finish({})
    assert result["command"] == "python old.py"
    first, second = result["sittings"]
    assert first == {"command": "python old.py", "started": "2020"}
    assert second["started"] > "2020"


def test_a_record_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[]")
    with raises(UserError, match=r"run.json is damaged: it holds no record of a run"):
        RunFolder.check(tmp_path, ASKED, resume=True)
