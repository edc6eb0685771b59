"""The plan of an adaptive study, which is kept twice."""

from __future__ import annotations

from pathlib import Path

from pytest import fixture, mark, raises

from backbones.errors import UserError
from studies.results.looks_file import NAME, check_plan, read_looks, write_looks
from studies.statistics.looks import Looks

BEGUN, OTHER = Looks((0, 1, 2, 3, 4), (3, 5)), Looks((0, 1, 2, 3), (2, 4))


@fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A study, and where its plan is kept beside the runs that are compared."""
    copy = tmp_path / "compared"
    copy.mkdir()
    for folder in (tmp_path, copy):
        write_looks(folder, BEGUN)
    return tmp_path, copy


def damage(path: Path, text: str | None) -> None:
    path.unlink() if text is None else path.write_text(text)


@mark.parametrize("which", [0, 1])
@mark.parametrize("text", ["{", "[]", '{"seeds": [1, 1]}', None])
def test_a_plan_is_known_while_one_copy_is_sound(folders: tuple[Path, Path], which: int, text: str | None) -> None:
    damage(folders[which] / NAME, text)
    check_plan(folders[0], BEGUN, folders[1])
    for looks in (OTHER, None):
        with raises(UserError, match="was begun with --adaptive --seeds 0 1 2 3 4 --looks 3 5 --spending pocock"):
            check_plan(folders[0], looks, folders[1])


@mark.parametrize("text", ["{", "[]"])
def test_without_a_sound_copy_one_line_says_what_to_do(folders: tuple[Path, Path], text: str) -> None:
    for folder in folders:
        damage(folder / NAME, text)
    with raises(UserError, match=rf"{NAME}.*no sound copy of it in .*compared: delete {NAME} in both") as told:
        check_plan(folders[0], BEGUN, folders[1])
    assert "\n" not in str(told.value)


def test_a_new_study_may_have_any_plan(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        damage(folder / NAME, None)
    assert read_looks(folders[0]) is None
    for looks in (BEGUN, OTHER, None):
        check_plan(folders[0], looks, folders[1])
