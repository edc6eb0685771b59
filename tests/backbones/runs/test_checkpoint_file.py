"""A checkpoint is what was written, or it is refused in one line."""

from __future__ import annotations

import os
import random
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from pytest import MonkeyPatch, fixture, mark, raises

from backbones.errors import UserError
from backbones.runs.checkpoint_file import check_same_run, read_checkpoint, remedied

STATE = {"model": {"weight": torch.arange(6.0), "bias": torch.ones(3)}, "step": 3, "rate": 0.1, "name": "text"}
FLIPS = 600


@fixture
def saved(tmp_path: Path) -> Path:
    torch.save(STATE, tmp_path / "last.pt")
    return tmp_path / "last.pt"


def is_state(there: Any) -> bool:
    """Whether what was read is, to the last bit and type, what was written."""
    if not isinstance(there, dict) or there.keys() != STATE.keys() or there["model"].keys() != STATE["model"].keys():
        return False
    tensors = all(torch.equal(there["model"][name], tensor) for name, tensor in STATE["model"].items())
    return tensors and all(
        type(there[key]) is type(value) and there[key] == value for key, value in STATE.items() if key != "model"
    )


def test_what_was_written_is_read(saved: Path) -> None:
    assert is_state(read_checkpoint(saved))


def outcome(path: Path) -> str:
    """What comes of reading a file: the state that was saved, another one, or the line that refuses it."""
    try:
        return "same" if is_state(read_checkpoint(path)) else "another"
    except UserError as error:
        return str(error)


def believed_by_torch(path: Path) -> bool:
    try:
        return not is_state(torch.load(path, weights_only=True))
    except Exception:  # it raises many kinds
        return False


@mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_bit_flipped_anywhere_is_refused_or_changes_nothing(saved: Path) -> None:
    content = saved.read_bytes()
    places = range(8 * len(content))
    flipped = [*random.Random(5).sample(places, FLIPS), *folder_bits(saved)]
    unnoticed = 0
    outcomes = []
    for place in flipped:
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        saved.write_bytes(damaged)
        outcomes.append(outcome(saved))
        unnoticed += believed_by_torch(saved)  # negative control
    refused = [words for words in outcomes if words != "same"]
    assert FLIPS / 4 < len(refused) < FLIPS
    assert all(re.fullmatch(rf"{re.escape(str(saved))}.*", words) for words in refused)
    assert unnoticed > 0


def folder_bits(path: Path) -> list[int]:
    """Places, in bits, of the mark that makes PyTorch take a part for a folder and read none of its bytes."""
    content = path.read_bytes()
    entries = [found.start() for found in re.finditer(b"PK\x01\x02", content)]
    return [8 * (entry + 38) + 4 for entry in entries]


@mark.parametrize("name", ["data.pkl", "data/0", "data/1"])
def test_damage_wider_than_a_bit_is_named_by_its_part(saved: Path, name: str) -> None:
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        entry = archive.getinfo(f"last/{name}")
        bytes_ = archive.read(entry)
    begin = content.index(bytes_, entry.header_offset)
    content[begin : begin + len(bytes_)] = bytes(len(bytes_))
    saved.write_bytes(content)
    with raises(UserError, match=rf"last\.pt is damaged \('last/{name}': Bad CRC-32 for file 'last/{name}'\)"):
        read_checkpoint(saved)


@mark.parametrize(
    ("content", "words"),
    [
        (b"", r"is damaged \(it is empty\)"),
        (b"hello", r"is damaged \(it is cut short, or never was one\)"),
        (b"\x80\x02}q\x00.", r"is damaged \(it is cut short, or never was one\)"),
        (b"PK\x03\x04" + bytes(100), r"is damaged \(it is cut short, or never was one\)"),
        (b"PK\x05\x06" + bytes(18), r"not a readable checkpoint"),
    ],
    ids=["empty", "text", "pickle", "begin of an archive", "empty archive"],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with raises(UserError, match=words) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


@mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")], ids=["folder", "fifo", "link"]
)
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "last.pt")
    with raises(UserError, match=r"last\.pt is no checkpoint: a folder, a broken link or a device"):
        read_checkpoint(tmp_path / "last.pt")


def test_compressed_parts_are_not_unpacked(saved: Path) -> None:
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("last/data/0", bytes(1 << 24))
    with raises(UserError, match=r"'last/data/0' is compressed, which torch\.save does not do"):
        read_checkpoint(saved)


class Stranger:
    """What only code could bring back."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("made by a checkpoint",)


@mark.filterwarnings("ignore:Environment variable")
def test_no_code_runs_and_nobody_is_told_to_let_it(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"state_dict": Stranger()}, tmp_path / "last.pt")
    with raises(UserError, match=r"not a readable checkpoint \(it holds \w+\.mkdir besides tensors") as caught:
        read_checkpoint(tmp_path / "last.pt")
    assert "weights_only" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]
    torch.load(tmp_path / "last.pt")  # negative control
    assert (tmp_path / "made by a checkpoint").is_dir()


def test_an_error_of_the_system_is_not_called_damage(saved: Path, monkeypatch: MonkeyPatch) -> None:
    def failing(*_: Any) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("zipfile.ZipExtFile.read", failing)
    with raises(UserError, match=r"^cannot read \S+last\.pt: Input/output error; check disk and permissions$"):
        read_checkpoint(saved)


def test_what_to_do_is_added_to_what_is_wrong_with_the_file_only(saved: Path) -> None:
    saved.write_bytes(b"")
    with raises(UserError, match=r"last\.pt is damaged \(it is empty\); mend it$"), remedied(lambda: "mend it"):
        read_checkpoint(saved)
    with raises(UserError, match=r"no such checkpoint$"), remedied(lambda: "mend it"):
        read_checkpoint(saved.parent / "none.pt")


@mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")])
def test_a_lack_of_memory_is_not_called_damage(error: Exception, saved: Path, monkeypatch: MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(torch, "load", load)
    with raises(type(error)) as caught, remedied(lambda: "mend it"):
        read_checkpoint(saved)
    assert caught.value is error


RUN = {"task": "classification", "seed": 1, "settings": {"epochs": 3}, "command": "one", "data": {"root": "/a"}}


def test_another_run_is_named_with_this_one() -> None:
    check_same_run("last.pt", RUN, {**RUN, "command": "another", "data": {"root": "/b"}})
    asked = {**RUN, "seed": 2, "settings": {"epochs": 4}}
    words = r"another run \(seed: 1 there, 2 asked; settings\.epochs: 3 there, 4 asked\)"
    with raises(UserError, match=words):
        check_same_run("last.pt", RUN, asked)
    for there in (None, [], "text"):
        with raises(UserError, match=r"last\.pt does not say of which run it is"):
            check_same_run("last.pt", there, RUN)
