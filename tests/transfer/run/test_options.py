"""The command line that both transfer tools share."""

from __future__ import annotations

import pytest

from backbones.cli.command import CommandParser
from transfer.run.options import add_transfer_options, parse_transfer_options, print_result

REQUIRED = ["protocol.py", "--backbone", "b", "--out", "o"]


def parse(*words: str) -> dict:
    parser = CommandParser()
    add_transfer_options(parser)
    return parse_transfer_options(parser, [*REQUIRED, *words])


def test_settings_given_in_several_places_all_count() -> None:
    assert parse("--cfg-options", "a=1", "b=2", "--seed", "3", "--cfg-options", "c=4")["cfg_options"] == [
        "a=1",
        "b=2",
        "c=4",
    ]
    assert parse()["cfg_options"] == []  # nor does one call leave anything to the next


@pytest.mark.parametrize("option", [["--validate-every", "2"], ["--tensorboard"]])
def test_a_dumped_configuration_has_neither(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--dump-config", "c.py", *option)
    assert "--dump-config writes the training alone" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_validation_is_every_so_many(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--validate-every", number)
    assert "--validate-every" in capsys.readouterr().err


def test_a_result_ends_with_where_it_is_and_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    print_result({"metrics": {"miou": 12.345, "pixel_accuracy": 50.0}, "pictures": {"maps": "x"}}, "runs/a-seg")
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "miou            12.35 %",
        "pixel_accuracy  50.00 %",
        "written: runs/a-seg/result.json, pictures in runs/a-seg/pictures",
    ]
    assert err.startswith("next: python tools/compare.py ")
    print_result({}, "runs/a-seg")  # of a dry run
    assert capsys.readouterr() == ("", "")
