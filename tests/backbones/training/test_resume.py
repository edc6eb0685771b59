"""A run goes on with its own sound ``last.pt`` or says in one line why not, and nothing in its folder has changed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytest import CaptureFixture, MonkeyPatch, fixture, mark, raises

import backbones.training.run
from backbones.errors import UserError
from backbones.files import WriteError, sha256_file
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification

pytestmark = mark.usefixtures("one_thread")


@fixture
def stopped(request_run: ClassificationRequest) -> ClassificationRequest:
    """A run of one epoch of a small network that has been stopped before its bundle was written, to be resumed."""
    light = replace(request_run, network="mobilenet_v1_025", recipe="smooth", epochs=1, keep="all")
    run_classification(light)
    (light.out / "result.json").unlink()
    (light.out / "backbone.safetensors").rename(light.out.parent / "whole.safetensors")
    return replace(light, resume=True)


def files(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in folder.iterdir() if path.is_file() and path.name != ".lock"}


def changed(files_before: dict[str, str], folder: Path) -> set[str]:
    return {name for name, digest in files(folder).items() if files_before.get(name) != digest}


def flip(path: Path) -> None:
    """Change one bit of the largest tensor."""
    largest = max(torch.load(path, weights_only=True)["model"].values(), key=lambda tensor: tensor.numel())
    whole = bytearray(path.read_bytes())
    place = whole.index(largest.contiguous().numpy().tobytes()) + random.Random(0).randrange(4 * largest.numel())
    whole[place] ^= 4
    path.write_bytes(whole)


def replaced_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@mark.parametrize(
    ("damage", "words"),
    [
        (flip, "is damaged ('archive/data/"),
        (lambda path: path.write_text("hello"), "is damaged (it is cut short, or never was one)"),
        (lambda path: path.write_bytes(b""), "is damaged (it is empty)"),
        (replaced_by_folder, "is no checkpoint: a folder"),
    ],
    ids=["bit", "text", "empty", "folder"],
)
def test_damage_is_one_line_and_the_remedy_helps(
    damage: Callable[[Path], Any], words: str, stopped: ClassificationRequest
) -> None:
    last = stopped.out / "last.pt"
    damage(last)
    before = files(stopped.out)
    with raises(UserError) as caught:
        run_classification(stopped)
    message = str(caught.value)
    assert message.startswith(f"{last} {words}")
    assert message.endswith("; put back a whole one of this run, or delete it: --resume then begins the training again")
    assert changed(before, stopped.out) == set()
    shutil.rmtree(last) if last.is_dir() else last.unlink()
    run_classification(stopped)
    assert sha256_file(stopped.out / "best.safetensors") == before["best.safetensors"]


def test_the_checkpoint_of_another_seed_is_refused(stopped: ClassificationRequest, capsys: CaptureFixture[str]) -> None:
    other = replace(stopped, seed=stopped.seed + 1, out=stopped.out.parent / "other", resume=False)
    run_classification(other)
    own = (stopped.out / "last.pt").read_bytes()
    shutil.copy(other.out / "last.pt", stopped.out)
    words = rf"last\.pt belongs to another run \(seed: {other.seed} there, {stopped.seed} asked\); put back"
    with raises(UserError, match=words):
        run_classification(stopped)
    (stopped.out / "last.pt").write_bytes(own)
    run_classification(stopped)
    assert "resumed   after batch 4 of 4" in capsys.readouterr().out


def test_a_library_that_finds_the_disk_full_is_one_line(
    stopped: ClassificationRequest, monkeypatch: MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backbones.training.run, "open_trackers", full)
    with raises(WriteError, match=rf"^cannot write {stopped.out}: No space left on device; check disk and permissions"):
        run_classification(stopped)
