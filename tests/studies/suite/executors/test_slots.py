"""Where on a machine runs find room."""

from __future__ import annotations

from pytest import MonkeyPatch, fixture, mark

from studies.suite.executors.slots import find_slots


@fixture(autouse=True)
def machine(monkeypatch: MonkeyPatch) -> None:
    """Four GPUs and 32 cores."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("studies.suite.executors.slots.usable_cpus", lambda: 32)
    monkeypatch.setattr("studies.suite.executors.slots.visible_gpus", lambda: list("0123"))


@mark.parametrize(
    ("jobs", "gpus", "expected"),
    [
        (None, None, [("8", "0"), ("8", "1"), ("8", "2"), ("8", "3")]),
        (None, 2, [("8", "0,1"), ("8", "2,3")]),  # two runs of two processes each
        (None, 4, [("8", "0,1,2,3")]),
        (1, None, [("32", "0")]),
        (5, None, [("6", "0"), ("6", "1"), ("6", "2"), ("6", "3"), ("6", "0")]),
    ],
)
def test_gpus_and_cores_are_shared_out(jobs: int | None, gpus: int | None, expected: list[tuple[str, str]]) -> None:
    slots = [dict(slot.environment) for slot in find_slots(jobs, gpus, 1)]
    assert [(slot["OMP_NUM_THREADS"], slot["CUDA_VISIBLE_DEVICES"]) for slot in slots] == expected


def test_threads_that_the_user_has_set_stay(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert dict(find_slots(2, None, 1)[0].environment)["OMP_NUM_THREADS"] == "3"
