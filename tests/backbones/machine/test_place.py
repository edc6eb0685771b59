"""What the environment says of several processes, and what it says by mistake."""

from __future__ import annotations

from pytest import MonkeyPatch, fixture, mark, raises

from backbones.errors import MachineError
from backbones.machine.place import Place, leads, place_among_processes, processes_here

SOUND = {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
LOCAL = {"LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


@fixture(autouse=True)
def environment(monkeypatch: MonkeyPatch) -> MonkeyPatch:
    for name in (*SOUND, *LOCAL):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def set_all(monkeypatch: MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_alone_unless_three_variables_are_set(environment: MonkeyPatch) -> None:
    assert place_among_processes() is None
    for left_out in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        set_all(environment, {**SOUND, "RANK": "3"})
        environment.delenv(left_out)
        assert place_among_processes() is None
        assert leads()  # whatever RANK says
    assert processes_here() == 1


def test_what_torchrun_sets_is_the_place(environment: MonkeyPatch) -> None:
    set_all(environment, SOUND)
    place = place_among_processes()
    assert place == Place(rank=1, size=4, local_rank=1, local_size=4)
    assert place.meeting_point() == "127.0.0.1:29500"
    assert not leads()
    set_all(environment, LOCAL)
    assert place_among_processes() == Place(rank=1, size=4, local_rank=1, local_size=2)
    assert processes_here() == 2


@mark.parametrize(
    ("name", "value", "said"),
    [
        ("RANK", "", "RANK is '', no number"),
        ("RANK", "first", "RANK is 'first', no number"),
        ("RANK", "4", "RANK is '4', not from 0 to 3"),
        ("RANK", "-1", "RANK is '-1', not from 0 to 3"),
        ("WORLD_SIZE", "0", "WORLD_SIZE is '0', less than 1"),
        ("WORLD_SIZE", "1e3", "WORLD_SIZE is '1e3', no number"),
        ("LOCAL_RANK", " ", "LOCAL_RANK is ' ', no number"),
        ("LOCAL_WORLD_SIZE", "5", "LOCAL_WORLD_SIZE is '5', not from 1 to 4"),
    ],
)
def test_an_impossible_place_is_told_by_its_variable(
    environment: MonkeyPatch, name: str, value: str, said: str
) -> None:
    set_all(environment, {**SOUND, name: value})
    with raises(MachineError) as caught:
        place_among_processes()
    assert str(caught.value).startswith(f"{said}, in the environment")
    assert "unset RANK WORLD_SIZE" in str(caught.value)


@mark.parametrize(
    ("name", "value", "said"),
    [
        ("MASTER_PORT", None, "MASTER_PORT is not set"),
        ("MASTER_PORT", "", "MASTER_PORT is '', no number"),
        ("MASTER_PORT", "http", "MASTER_PORT is 'http', no number"),
        ("MASTER_PORT", "65536", "MASTER_PORT is '65536', no port"),
        ("MASTER_ADDR", "", "MASTER_ADDR is '', no address"),
        ("MASTER_ADDR", "no.such.host.invalid..", "MASTER_ADDR is 'no.such.host.invalid..', no address"),
    ],
)
def test_a_place_to_meet_that_there_is_not_is_told_by_its_variable(
    environment: MonkeyPatch, name: str, value: str | None, said: str
) -> None:
    set_all(environment, SOUND)
    if value is None:
        environment.delenv(name)
    else:
        environment.setenv(name, value)
    place = place_among_processes()
    assert place is not None
    with raises(MachineError) as caught:
        place.meeting_point()
    assert str(caught.value).startswith(said)
