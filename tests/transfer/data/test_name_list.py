"""Lists of image names: what is read, and what is refused before a file is looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.errors import UserError
from transfer.data.name_list import ListKind, read_names
from transfer.data.text_file import read_lines

KIND = ListKind("an image name", "names no images", (".jpg", ".png"), refuses_suffixes=True)


def names_of(path: Path, content: str | bytes) -> tuple[list[str], list[str]]:
    """The names of a list, and what is wrong with the others."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    names, faults = read_names(path, path.parent / "images", KIND)
    assert all(fault.file == path for fault in faults)
    return list(names), [fault.text for fault in faults]


@pytest.mark.parametrize("content", ["\ufeffa\r\nb \t\r\n", " a\nb", "a\nb\n"])
def test_what_does_not_show_is_no_part_of_a_name(content: str, tmp_path: Path) -> None:
    assert names_of(tmp_path / "train.txt", content) == (["a", "b"], [])


def test_all_that_is_wrong_is_told_and_the_rest_read(tmp_path: Path) -> None:
    lines = ["good", "../../etc/passwd", "/data/JPEGImages/000005", "x" * 300, "", "good", "a\u200bb", "a//b", "./c"]
    lines += ["d.jpg", "street/good", "."]
    names, faults = names_of(tmp_path / "train.txt", "\n".join(lines))
    assert names == ["good", "street/good"]
    expected = [
        ("line 2 is '../../etc/passwd': ", "leads elsewhere; write 'passwd'"),
        ("line 3 is '/data/JPEGImages/000005': ", "leads elsewhere; write '000005'"),
        (f"line 4 is '{'x' * 60}...': ", "304 bytes with its suffix, where file systems end at 255"),
        ("line 5 is '': ", "no blank line"),
        ("line 6: 'good' is already on line 1", "remove one"),
        (r"line 7 is 'a\u200bb': ", "characters that do not show"),
        ("line 8 is 'a//b': ", "'a/b'"),
        ("line 9 is './c': ", "'c'"),
        ("line 10 is 'd.jpg': ", "expected an image name without suffix"),
        ("line 12 is '.': ", "this is the folder"),
    ]
    assert len(faults) == len(expected)
    for fault, (where, why) in zip(faults, expected, strict=True):
        assert fault.startswith(f"{tmp_path / 'train.txt'}, {where}")
        assert why in fault
        assert len(fault) < 400


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)


@settings(deadline=None, max_examples=150)
@given(lines=st.lists(st.one_of(NAMES, st.sampled_from([".", "..", "a/../../b", "/", "a/", "~", "a/b"])), max_size=5))
def test_no_name_that_is_read_leads_out_of_the_folder(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    names, faults = names_of(folder / "train.txt", "\n".join(["first", *lines]))
    inside = os.path.realpath(folder / "images")
    for name in names:
        assert os.path.realpath(folder / "images" / f"{name}.jpg").startswith(inside + os.sep)
    assert len(names) + len(faults) >= len(lines)


def test_a_list_that_is_no_text_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read image names from .*train\.txt \(it is not UTF-8"):
        names_of(tmp_path / "train.txt", b"\xff\xfe\x00a")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UserError, match=r"pipe\.txt is a named pipe"):
        read_lines(tmp_path / "pipe.txt", "image names")
    with pytest.raises(UserError, match=r"cannot read class names from .*none\.txt \(No such file"):
        read_lines(tmp_path / "none.txt", "class names")
