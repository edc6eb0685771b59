"""A user who is a number."""

from __future__ import annotations

import getpass
import os
import pwd

from pytest import MonkeyPatch, fixture

from backbones.machine.user import name_user

VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME")


@fixture
def unnamed(monkeypatch: MonkeyPatch) -> MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # as good as none, and put back afterwards
    return monkeypatch


def test_a_user_without_name_gets_one(unnamed: MonkeyPatch) -> None:
    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    unnamed.setattr(pwd, "getpwuid", unknown)
    name_user()
    assert getpass.getuser() == f"user{os.getuid()}"


def test_a_name_stays(unnamed: MonkeyPatch) -> None:
    unnamed.setenv("USER", "somebody")
    name_user()
    assert getpass.getuser() == "somebody"
    assert os.environ["LOGNAME"] == ""
