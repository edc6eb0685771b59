"""Exit codes and what is printed."""

from __future__ import annotations

from pytest import CaptureFixture, MonkeyPatch, fixture, mark, raises

from backbones.command import run_command
from backbones.errors import ToldError, UserError


@fixture(autouse=True)
def no_time_to_tell(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr("backbones.command.SECONDS_TO_TELL", 0.0)


@mark.parametrize(
    ("raised", "code", "printed"),
    [
        (None, 0, ""),
        (UserError("no such folder"), 2, "error: no such folder\n"),
        (ToldError("no such folder"), 2, ""),  # another process says it
        (KeyboardInterrupt("saved"), 130, "interrupted: saved\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_how_a_command_ends(raised: BaseException | None, code: int, printed: str, capsys: CaptureFixture[str]) -> None:
    def main() -> None:
        if raised is not None:
            raise raised

    with raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == code
    assert capsys.readouterr().err == printed


def test_a_defect_keeps_its_traceback() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with raises(ZeroDivisionError):
        run_command(main)
