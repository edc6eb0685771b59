"""The command line that both transfer tools share."""

from __future__ import annotations

import pytest

from backbones.cli.command import CommandParser
from transfer.run.options import add_transfer_options, parse_transfer_options

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
