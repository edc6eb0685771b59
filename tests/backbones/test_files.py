"""Files are whole or absent, and what cannot be read is named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from backbones.errors import MachineError, UserError
from backbones.files import as_bytes, atomic_path, cache_dir, emptied_on_error, read_json, sha256_file, write_json


def test_a_name_that_is_no_utf_8_is_written_as_escapes() -> None:
    assert as_bytes("ü \udcff") == "ü \\udcff".encode()


def test_json_comes_back_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "a.json", {"ä": [1, None, 2.5]})
    assert read_json(tmp_path / "deep" / "a.json") == {"ä": [1, None, 2.5]}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.json"]


def test_not_a_number_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert read_json(tmp_path / "a.json") == 1


def test_an_error_while_writing_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def interrupted() -> None:
        with atomic_path(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_json_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").write_bytes(b'{"a": ')
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, fragment in (
        ("none", "does not exist"),
        ("folder", "is a folder where a file should be; move it away"),
        ("broken", "is not valid JSON"),
        ("binary", "is not valid JSON"),
        ("broken/none", "Not a directory"),
    ):
        with pytest.raises(UserError) as caught:
            read_json(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert fragment in str(caught.value)

    def deny(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")  # a mode would not stop root

    monkeypatch.setattr("backbones.text_files.open_regular", deny)
    with pytest.raises(UserError, match=r"cannot read .*broken: Permission denied; check its permissions"):
        read_json(tmp_path / "broken")


def test_checksum(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one piece
    (tmp_path / "file").write_bytes(content)
    assert sha256_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()
    with pytest.raises(UserError, match=r"cannot read .*none: No such file"):
        sha256_file(tmp_path / "none")
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        sha256_file(tmp_path)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/a.json: .*; check disk and permissions"):
        write_json(tmp_path / "file" / "a.json", 1)
    with pytest.raises(OSError, match="cannot write"):  # who can do without the file may catch it as what it is
        write_json(tmp_path / "file" / "a.json", 1)


def test_the_innermost_file_is_the_one_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, atomic_path(tmp_path / "outer"), atomic_path(tmp_path / "inner"):
        raise OSError(28, "No space left on device")
    expected = f"cannot write {tmp_path / 'inner'}: No space left on device; check disk and permissions"
    assert (str(caught.value), caught.value.errno) == (expected, 28)
    assert list(tmp_path.iterdir()) == []


def test_a_user_without_home_folder_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("CARRYOVER_CACHE", raising=False)
    with pytest.raises(MachineError, match=r"the user has no home folder.*set HOME, or CARRYOVER_CACHE"):
        cache_dir()
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path


@pytest.mark.parametrize("there", [False, True], ids=["missing", "there"])
def test_a_report_that_fails_leaves_nothing_in_the_way(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "report"
    if there:
        folder.mkdir()
        write_json(folder / "theirs.json", 1)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(TypeError), emptied_on_error(folder):
        write_json(write_json(folder / "table.json", 1) or folder / "next.json", object())
    assert sorted(tmp_path.rglob("*")) == before
    with emptied_on_error(folder):
        write_json(folder / "table.json", 1)
    assert (folder / "table.json").is_file()
