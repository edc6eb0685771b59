"""Names of classes from a file, and which file counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbones.errors import UserError
from transfer.data.class_names import choose_classes, read_classes


def test_read_classes(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("cat\n traffic light \n\n")
    assert read_classes(path) == ("cat", "traffic light")
    for text, message in (
        ("", "names no class"),
        ("cat\n\ndog", "line 2 is blank"),
        ("cat\ndog\ncat", "line 3.*line 1"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_classes(path)
    with pytest.raises(UserError, match="cannot read class names"):
        read_classes(tmp_path / "none.txt")


def test_a_named_file_goes_before_the_datas_and_that_before_the_default(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"classes\.txt does not exist; .* --classes FILE"):
        choose_classes(tmp_path, None, None)
    assert choose_classes(tmp_path, None, lambda: ("default",)) == ("default",)
    (tmp_path / "classes.txt").write_text("own\n")
    assert choose_classes(tmp_path, None, lambda: ("default",)) == ("own",)
    (tmp_path / "named.txt").write_text("named\n")
    assert choose_classes(tmp_path, tmp_path / "named.txt", None) == ("named",)
