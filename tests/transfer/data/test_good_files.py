"""Faults are gathered, and what was good is not looked at again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backbones.data.folders.verification import FileStamp, stamp
from backbones.errors import UserError
from transfer.data.faults import Fault, Faults, texts
from transfer.data.good_files import GoodFiles, check_files

seen: list[str] = []


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    seen.clear()
    return tmp_path / "cache" / "good"


def number_in(path: Path) -> int:
    """A check: the file holds a number."""
    seen.append(path.name)
    words = path.read_text().split()
    wrong = [Fault(path, f"{path}: {word!r} is no number") for word in words if not word.isdigit()]
    if wrong:
        raise Faults(path.parent, wrong)
    return sum(map(int, words))


def run(root: Path, arguments: str = "sum") -> tuple[list[int | None], list[tuple[str, str]]]:
    paths = sorted(root.glob("*.txt"))
    stamps: list[tuple[FileStamp, ...]] = [(stamp(root, path, ""),) for path in paths]
    results, faults = check_files(number_in, paths, stamps, GoodFiles(root, {"what": arguments}), "checking")
    return results, [(path.name, text.rpartition(": ")[2]) for path, text in faults]


def test_all_faults_of_all_files_and_only_changed_files_again(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    for name, text in (("a", "1 2"), ("b", "x 3 y"), ("c", "4"), ("d", "z")):
        (root / f"{name}.txt").write_text(text)
    results, faults = run(root)
    assert results == [3, None, 4, None]
    assert faults == [("b.txt", "'x' is no number"), ("b.txt", "'y' is no number"), ("d.txt", "'z' is no number")]
    assert seen == ["a.txt", "b.txt", "c.txt", "d.txt"]
    seen.clear()
    (root / "b.txt").write_text("5 3 6")
    assert run(root) == ([3, 14, 4, None], faults[2:])
    assert seen == ["b.txt", "d.txt"]  # what was good is remembered, what was bad is not
    seen.clear()
    os.utime(root / "a.txt", ns=(1, 1))
    run(root)
    assert seen == ["a.txt", "d.txt"]
    seen.clear()
    run(root, "another question")
    assert seen == ["a.txt", "b.txt", "c.txt", "d.txt"]


@pytest.mark.parametrize("damage", ["", "[]", '{"a.txt": 3}', '{"a.txt": {"stamps": [], "found": 9}}'])
def test_a_damaged_record_is_no_record(damage: str, tmp_path: Path, private_cache: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "a.txt").write_text("1 2")
    run(root)
    (record,) = private_cache.iterdir()
    record.write_text(damage)
    assert run(root) == ([3], [])
    assert seen == ["a.txt", "a.txt"]


def test_a_record_that_cannot_be_written_only_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "a.txt").write_text("1 2")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be written"):
        assert run(root) == ([3], [])


def test_an_error_names_the_files_of_nine_others_and_counts_the_rest(tmp_path: Path) -> None:
    faults = [Fault(tmp_path / f"{number:02}.xml", f"fault {number}") for number in range(13)]
    assert str(Faults(tmp_path, faults[:1])) == "fault 0"
    assert "(and 1 more fault, in 01.xml; 'python tools/prepare_data.py check " in str(Faults(tmp_path, faults[:2]))
    error = Faults(tmp_path, faults)
    said = "fault 0 (and 12 more faults, in 01.xml, 02.xml, 03.xml, 04.xml, 05.xml, 06.xml, 07.xml, 08.xml, 09.xml "
    assert str(error).startswith(said + "and 3 more files; ")
    assert texts(error) == tuple(f"fault {number}" for number in range(13))
    assert texts(UserError("one")) == ("one",)
