"""Runs of a suite on real GPUs: each slot shows its run the GPUs that it has, and no others."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
from pytest import MonkeyPatch, mark, raises

from backbones.errors import UserError
from studies.suite.executors.slots import Slot, find_slots, visible_gpus

pytestmark = [mark.gpu, mark.processes, mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
COUNT = "import torch; print(torch.cuda.device_count(), torch.cuda.get_device_properties(0).uuid)"


def seen(slot: Slot) -> tuple[int, str]:
    environment = {**os.environ, **dict(slot.environment)}
    done = subprocess.run([sys.executable, "-c", COUNT], env=environment, capture_output=True, text=True, check=True)
    count, uuid = done.stdout.split()
    return int(count), uuid


def test_every_gpu_is_a_slot_of_its_own(monkeypatch: MonkeyPatch) -> None:
    slots = find_slots(None, None, 1)
    assert len(slots) == len(visible_gpus()) == torch.cuda.device_count()
    answers = [seen(slot) for slot in slots]
    assert {count for count, _ in answers} == {1}
    assert len({uuid for _, uuid in answers}) == len(slots)


def test_more_jobs_than_gpus_share_them() -> None:
    slots = find_slots(torch.cuda.device_count() + 1, None, 1)
    assert seen(slots[0]) == seen(slots[-1])


def test_more_gpus_than_there_are_is_an_error() -> None:
    wanted = torch.cuda.device_count() + 1
    with raises(UserError, match=f"--gpus-per-run {wanted}: there are {wanted - 1} GPUs here"):
        find_slots(None, wanted, 1)
