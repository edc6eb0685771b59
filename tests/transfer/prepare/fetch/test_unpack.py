"""Archives that are whole, damaged, or meant to harm."""

from __future__ import annotations

import errno
import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from backbones.errors import UserError
from transfer.prepare.fetch.checksum import md5_file
from transfer.prepare.fetch.unpack import unpack

FILES = {"Kit/One/a.txt": b"a" * 5000, "Kit/One/deep/b.txt": b"b", "readme.txt": b"not wanted"}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "Kit" / "One"


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes, name: str = "archive") -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def assert_nothing_left(target: Path) -> None:
    assert not target.exists()
    assert list(target.parent.glob(".*")) == []


@pytest.mark.parametrize("kind", ["tar", "gz", "zip"])
def test_unpacks_the_folder_and_nothing_else(
    kind: str, target: Path, archive: Any, make_tar: Any, make_zip: Any
) -> None:
    content = {"tar": make_tar, "gz": lambda files: make_tar(files, "w:gz"), "zip": make_zip}[kind](FILES)
    unpack([archive(content)], "Kit/One", target)
    found = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found == {"a.txt": b"a" * 5000, "deep/b.txt": b"b"}
    assert list(target.parent.iterdir()) == [target]
    assert (target.stat().st_mode & 0o500) == 0o500


def test_two_archives_share_a_folder(target: Path, archive: Any, make_tar: Any) -> None:
    first, second = make_tar({"Kit/One/a": b"1"}), make_tar({"Kit/One/b": b"2"})
    unpack([archive(first, "first"), archive(second, "second")], "Kit/One", target)
    assert sorted(path.name for path in target.iterdir()) == ["a", "b"]


class Attack(NamedTuple):
    name: str
    kind: bytes = tarfile.REGTYPE
    link: str = ""


@pytest.mark.parametrize(
    "attack",
    [
        Attack("../outside.txt"),
        Attack("Kit/One/../../../outside.txt"),
        Attack("/tmp/outside-of-prepare.txt"),
        Attack("Kit\\..\\..\\outside.txt"),
        Attack("C:/outside.txt"),
        Attack("Kit/One/link", tarfile.SYMTYPE, "/etc"),
        Attack("Kit/One/link", tarfile.SYMTYPE, "good.txt"),
        Attack("Kit/One/hard", tarfile.LNKTYPE, "../../outside.txt"),
        Attack("Kit/One/device", tarfile.CHRTYPE),
    ],
)
def test_a_tar_that_leads_outside_is_refused(attack: Attack, target: Path, archive: Any, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        good = tarfile.TarInfo("Kit/One/good.txt")
        tar.addfile(good, io.BytesIO())
        member = tarfile.TarInfo(attack.name)
        member.type, member.linkname = attack.kind, attack.link
        tar.addfile(member, io.BytesIO())
    path = archive(stream.getvalue())
    with pytest.raises(UserError, match=r"is refused: .* give the published archive"):
        unpack([path], "Kit/One", target)
    assert_nothing_left(target)
    assert not list(tmp_path.rglob("*outside*"))


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "Kit/../../outside.txt"])
def test_a_zip_that_leads_outside_is_refused(name: str, target: Path, archive: Any, make_zip: Any) -> None:
    path = archive(make_zip({"Kit/One/good.txt": b"", name: b"bad"}))
    with pytest.raises(UserError, match="leads outside the folder"):
        unpack([path], "Kit/One", target)
    assert_nothing_left(target)


def test_a_link_in_a_zip_is_refused(target: Path, archive: Any) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        entry = zipfile.ZipInfo("Kit/One/link")
        entry.external_attr = 0o120777 << 16
        zipped.writestr(entry, "/etc")
    with pytest.raises(UserError, match=r"Kit/One/link is a link"):
        unpack([archive(stream.getvalue())], "Kit/One", target)


def test_a_truncated_tar_leaves_nothing(target: Path, archive: Any, make_tar: Any) -> None:
    whole = make_tar({"Kit/One/a": b"a" * 100_000})
    with pytest.raises(UserError, match=r"archive is damaged"):
        unpack([archive(whole[:50_000])], "Kit/One", target)
    assert_nothing_left(target)


def test_a_zip_with_a_wrong_byte_leaves_nothing(target: Path, archive: Any, make_zip: Any) -> None:
    content = bytearray(make_zip({"Kit/One/a": bytes(range(256)) * 100}))
    content[60] ^= 0xFF
    with pytest.raises(UserError, match=r"archive is damaged"):
        unpack([archive(bytes(content))], "Kit/One", target)
    assert_nothing_left(target)


@pytest.mark.parametrize("content", [b"", b"\0", b"null\n", b"\x1f\x8b\x08" + bytes(40), b"PK\3\4 cut off"])
def test_what_is_no_archive_is_told_in_one_line(content: bytes, target: Path, archive: Any) -> None:
    with pytest.raises(UserError, match=r"archive is damaged \(.*\); fetch it again") as caught:
        unpack([archive(content)], "Kit/One", target)
    assert str(caught.value).isprintable()  # tarfile tells a line for each way in which it tried
    assert_nothing_left(target)


def test_a_member_beyond_the_end_of_any_file_is_damage(target: Path, archive: Any, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("Kit/One/a")
        entry.size = 2**62
        tar.fileobj.write(entry.tobuf(tarfile.PAX_FORMAT))
    with pytest.raises(UserError, match="archive is damaged"):
        unpack([archive(stream.getvalue())], "Kit/One", target)
    assert_nothing_left(target)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_name_that_no_disk_takes_is_the_archive_s_fault(
    kind: str, target: Path, archive: Any, make_tar: Any, make_zip: Any
) -> None:
    make = {"tar": make_tar, "zip": make_zip}[kind]
    with pytest.raises(UserError, match=r"archive is refused: it holds a name of more than 255 bytes, 'Kit/One/öö"):
        unpack([archive(make({f"Kit/One/{'ö' * 128}": b""}))], "Kit/One", target)
    assert_nothing_left(target)
    unpack([archive(make({f"Kit/One/{'x' * 255}": b""}))], "Kit/One", target)  # as long as names may be


@pytest.mark.parametrize(
    ("kind", "other"),
    [*product(["tar", "zip"], ["Kit/One/deep", "Kit/One/a.txt/c"]), ("tar", ".")],  # zipfile takes "." for the folder
)
def test_a_member_in_the_place_of_another_is_refused(
    kind: str, other: str, target: Path, archive: Any, make_tar: Any, make_zip: Any
) -> None:
    make = {"tar": make_tar, "zip": make_zip}[kind]
    with pytest.raises(UserError, match=r"archive is refused: '\S+' is a file and a folder in it"):
        unpack([archive(make({**FILES, other: b"x"}))], "Kit/One", target)
    assert_nothing_left(target)


def test_a_member_without_a_name_is_refused(target: Path, archive: Any, make_tar: Any) -> None:
    with pytest.raises(UserError, match="archive is refused: a member has no name"):
        unpack([archive(make_tar({"": b"x"}))], "Kit/One", target)
    assert_nothing_left(target)


def test_a_pipe_in_place_of_an_archive_is_no_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "archive")
    with pytest.raises(UserError, match="archive is no regular file"):
        md5_file(tmp_path / "archive")


def test_a_python_without_the_filter_unpacks_no_tar_and_still_zips(
    target: Path, archive: Any, make_tar: Any, make_zip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(UserError, match=r"Python \S+ cannot unpack tar archives safely; use 3\.10\.12, 3\.11\.4"):
        unpack([archive(make_tar(FILES))], "Kit/One", target)
    assert_nothing_left(target)
    monkeypatch.delattr(tarfile, "FilterError")
    content = bytearray(make_zip(FILES))
    content[60] ^= 0xFF
    with pytest.raises(UserError, match="is damaged"):
        unpack([archive(bytes(content))], "Kit/One", target)
    unpack([archive(make_zip(FILES))], "Kit/One", target)
    assert (target / "a.txt").exists()


def test_an_archive_of_something_else(target: Path, archive: Any, make_tar: Any) -> None:
    with pytest.raises(UserError, match=r"archive holds no folder Kit/One"):
        unpack([archive(make_tar({"Other/a": b""}))], "Kit/One", target)
    assert_nothing_left(target)


def test_too_little_space_is_known_before(
    target: Path, archive: Any, make_tar: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 8191))
    path = archive(make_tar({"Kit/One/a": b"a", "Kit/One/b": b"b"}))  # two blocks of 4096 bytes
    with pytest.raises(UserError, match=r"unpacking archive needs 0\.00819 MB in .* but 0\.00819 MB are free"):
        unpack([path], "Kit/One", target)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 8192))
    unpack([path], "Kit/One", target)
    assert target.is_dir()


def test_a_disk_that_fills_up_leaves_nothing(
    target: Path, archive: Any, make_tar: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = archive(make_tar(FILES))
    monkeypatch.setattr(tarfile, "copyfileobj", full)
    with pytest.raises(UserError, match=r"the disk of .* is full; make room .*the archives are kept"):
        unpack([path], "Kit/One", target)
    assert_nothing_left(target)
    assert path.exists()


def test_what_a_killed_process_left_is_cleared(target: Path, archive: Any, make_tar: Any) -> None:
    stale = target.with_name(".One.unpacking") / "Kit" / "One" / "stale.txt"
    stale.parent.mkdir(parents=True)
    stale.write_text("half")
    unpack([archive(make_tar(FILES))], "Kit/One", target)
    assert not (target / "stale.txt").exists()
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({8: 1}, r"archive is encrypted \('Kit/One/a\.txt'\); unpack it by hand"),
        ({10: 97}, r"archive: 'Kit/One/a\.txt' is packed by method 97, which Python cannot unpack"),
    ],
)
def test_a_zip_that_python_cannot_unpack_is_told_before_anything_is_written(
    change: dict[int, int], words: str, target: Path, archive: Any, make_zip: Any
) -> None:
    content = bytearray(make_zip(FILES))
    entry = content.index(b"PK\x01\x02")
    for place, value in change.items():
        content[entry + place] = value
    with pytest.raises(UserError, match=words):
        unpack([archive(bytes(content))], "Kit/One", target)
    assert not target.parent.exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_zip_are_unpacked_and_their_damage_is_told(method: int, target: Path, archive: Any) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as zipped:
        zipped.writestr("Kit/One/a.txt", bytes(range(256)) * 400)
    unpack([archive(stream.getvalue())], "Kit/One", target)
    assert (target / "a.txt").stat().st_size == 102_400
    shutil.rmtree(target)
    content = bytearray(stream.getvalue())
    content[45:90] = b"\xff" * 45
    with pytest.raises(UserError, match=r"archive is damaged \(.*\); fetch it again"):
        unpack([archive(bytes(content))], "Kit/One", target)
    assert_nothing_left(target)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.9])
def test_bytes_of_a_packed_tar_that_are_wrong_are_told(
    mode: str, place: float, target: Path, archive: Any, make_tar: Any
) -> None:
    content = bytearray(make_tar({f"Kit/One/{number}": bytes(range(256)) * number for number in range(40)}, mode))
    middle = int(place * len(content))
    content[middle : middle + 20] = bytes(255 - byte for byte in content[middle : middle + 20])
    with pytest.raises(UserError, match=r"archive (is damaged|is refused)"):
        unpack([archive(bytes(content))], "Kit/One", target)
    assert_nothing_left(target)


def test_a_tar_of_the_current_folder_is_unpacked(target: Path, archive: Any) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        folder = tarfile.TarInfo(".")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        member = tarfile.TarInfo("./Kit/One/a")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"1"))
    unpack([archive(stream.getvalue())], "Kit/One", target)
    assert (target / "a").read_bytes() == b"1"


@pytest.mark.parametrize("cut", [0, 100, 512])
def test_a_tar_without_its_end_is_not_taken_for_a_whole_one(
    cut: int, target: Path, archive: Any, make_tar: Any
) -> None:
    content = make_tar({f"Kit/One/{number}": b"x" for number in range(9)})
    whole = 9 * 2 * 512
    assert content[whole:].strip(b"\0") == b""
    with pytest.raises(UserError, match=r"archive is damaged \((.*, at byte|unexpected end)"):
        unpack([archive(content[: whole - 512 * 4 - cut])], "Kit/One", target)
    broken = bytearray(content)
    broken[512 * 8 : 512 * 8 + 20] = b"?" * 20  # a header in the middle
    with pytest.raises(UserError, match=r"archive is damaged \(.*, at byte 4096\)"):
        unpack([archive(bytes(broken))], "Kit/One", target)
    assert_nothing_left(target)
