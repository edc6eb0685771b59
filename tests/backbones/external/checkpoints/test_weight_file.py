"""Checkpoint files as people have them: wrapped, prefixed, cut short, or with code inside."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from pytest import fixture, mark, raises
from safetensors.torch import save_file

from backbones.errors import UserError
from backbones.external.checkpoints.weight_file import read_weight_file

TENSORS = {"conv1.weight": torch.arange(600.0), "fc.bias": torch.ones(3)}


@fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.pth"


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in TENSORS.items()}


@mark.parametrize(
    ("content", "key", "unwrapped"),
    [
        (TENSORS, None, ()),
        ({"state_dict": TENSORS, "epoch": 3, "optimizer": {}}, None, ("state_dict",)),
        ({"model": prefixed("module."), "epoch": 3}, None, ("model", "module.")),
        ({"state_dict": prefixed("module._orig_mod.")}, None, ("state_dict", "module.", "_orig_mod.")),
        ({"model": {}, "model_ema": TENSORS}, "model_ema", ("model_ema",)),
        (
            {"model": {}, "model_ema": {"n_averaged": torch.tensor(7), **prefixed("module.")}},
            "model_ema",
            ("model_ema", "n_averaged", "module."),
        ),
        ({"weights": TENSORS}, "weights", ("weights",)),
        ({"a": {"b.c": {"d": TENSORS, "e": 1}}, "model": TENSORS}, "a.b.c.d", ("a", "b.c", "d")),
    ],
)
def test_tensors_are_found_and_what_was_taken_off_is_told(
    path: Path, content: dict[str, Any], key: str | None, unwrapped: tuple[str, ...]
) -> None:
    torch.save(content, path)
    file = read_weight_file(path, key)
    assert file.unwrapped == unwrapped
    assert file.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(file.tensors[name], tensor) for name, tensor in TENSORS.items())


def test_the_options_of_a_training_script_are_no_obstacle(path: Path) -> None:
    options = argparse.Namespace(lr=0.1, betas=(0.9, 0.99), device=torch.device("cpu"), inner=argparse.Namespace(a=[1]))
    torch.save({"model": TENSORS, "args": options, "epoch": 3}, path)
    file = read_weight_file(path)
    assert (file.unwrapped, file.left) == (("model",), ("args", "epoch"))
    assert file.tensors.keys() == TENSORS.keys()


def test_options_that_would_run_code_are_refused(path: Path, tmp_path: Path) -> None:
    torch.save({"model": TENSORS, "args": argparse.Namespace(hook=Code(tmp_path / "ran"))}, path)
    with raises(UserError, match=r"holds more than tensors \((posix|nt)\.mkdir\)"):
        read_weight_file(path)
    assert not (tmp_path / "ran").exists()


@mark.parametrize(
    ("content", "key", "wanted"),
    [
        (prefixed("encoder_k."), "encoder_k", "encoder_k."),
        ({"state_dict": prefixed("module.student.")}, "state_dict.module.student", "student."),
        ({"state_dict": prefixed("module.student.")}, "state_dict.student", "student."),
        ({"state_dict": prefixed("module.")}, "state_dict.module", None),
        ({"state_dict": TENSORS}, "state_dict", None),
        ({**TENSORS, **prefixed("ema.")}, ".", ""),
    ],
)
def test_a_key_goes_on_in_the_names(path: Path, content: dict[str, Any], key: str, wanted: str | None) -> None:
    torch.save(content, path)
    assert read_weight_file(path, key).wanted == wanted


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "file.safetensors")
    file = read_weight_file(tmp_path / "file.safetensors")
    assert torch.equal(file.tensors["conv1.weight"], TENSORS["conv1.weight"])


def test_a_prefix_on_some_names_only_is_part_of_them(path: Path) -> None:
    torch.save({"module.fc.bias": torch.ones(3), "fc.weight": torch.ones(3)}, path)
    assert set(read_weight_file(path).tensors) == {"module.fc.bias", "fc.weight"}


@mark.parametrize(
    ("content", "key", "message"),
    [
        ({"model": TENSORS, "model_ema": TENSORS}, None, "with --key; its dictionaries are: model, model_ema"),
        ({"weights": TENSORS}, None, "with --key; its dictionaries are: weights"),
        ({"state_dict": TENSORS}, "model", "with --key; its dictionaries are: state_dict"),
        (TENSORS, "model", "its dictionaries are: none"),
        ({"model": {"a": torch.ones(1), "rate": 0.1}}, None, r"its entry model does not hold tensors only \(rate\)"),
        ({"model": {}}, None, r"does not hold tensors only \(empty\)"),
        ([torch.ones(1)], None, "holds no dictionary of tensors but a list"),
        ({"a": {"b": {"c": TENSORS, "d": 1}}}, "a.b.e", "with --key; its dictionaries are: c$"),
        ({"model": TENSORS, "model_ema": TENSORS, "optimizer": {"state": {}}}, None, "are: model, model_ema$"),
        ({"a": {"b": {"c": {}, "d": 1}}}, "a.b.c.e", r"its entry c does not hold tensors only \(empty\)"),
        ({"model": TENSORS, "args": Path("data")}, None, r"more than tensors \(pathlib\.[\w.]*PosixPath\)"),
    ],
)
def test_what_is_not_clear_is_refused(path: Path, content: Any, key: str | None, message: str) -> None:
    torch.save(content, path)
    with raises(UserError, match=message):
        read_weight_file(path, key)


class Code:
    """Makes a folder when a pickle of it is opened carelessly."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


def test_code_in_a_file_is_refused_and_does_not_run(path: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": TENSORS, "extra": Code(tmp_path / "ran")}, path)
    with raises(UserError, match=r"holds more than tensors \((posix|nt)\.mkdir\), and reading that could run code"):
        read_weight_file(path)
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickle.dumps(Code(tmp_path / "ran")))  # control: the trap works
    assert (tmp_path / "ran").exists()


@mark.parametrize("zip_format", [True, False])
@mark.parametrize("share", [0.0, 0.1, 0.6, 0.95])
def test_a_truncated_file_is_refused(path: Path, share: float, zip_format: bool) -> None:
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zip_format)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with raises(UserError, match=r"file\.pth cannot be read as a file of torch\.save .*download it again"):
        read_weight_file(path)


def test_a_file_that_ends_anywhere_is_no_file_with_code(path: Path) -> None:
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    assert whole.count(b"_rebuild_tensor_v2\n") == 1
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with raises(UserError, match=r"cannot be read as a file of torch\.save"):
            read_weight_file(path)


@mark.parametrize("by_torch", [True, False])
def test_code_in_the_older_format_and_in_a_plain_pickle(path: Path, tmp_path: Path, by_torch: bool) -> None:
    content = {"rate": 0.1, "extra": Code(tmp_path / "ran")}
    if by_torch:
        torch.save(content, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with raises(UserError, match=r"holds more than tensors \((posix|nt)\.mkdir\)"):
        read_weight_file(path)


def test_a_truncated_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-100])
    with raises(UserError, match="is not a whole safetensors file"):
        read_weight_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with raises(UserError, match=r"--checkpoint .*absent\.pth: there is no such file"):
        read_weight_file(tmp_path / "absent.pth")


@mark.parametrize("wrapped", [False, True])
@mark.parametrize(
    ("name", "tensor", "message"),
    [
        (7, torch.ones(2), "a tensor is called 7, which is no word"),
        (("a", "b"), torch.ones(2), r"a tensor is called \('a', 'b'\), which is no word"),
        ("fc", torch.ones(2, device="meta"), r"fc is no plain tensor but without values \(meta\)"),
        ("fc", torch.ones(2, 2).to_sparse(), "fc is no plain tensor but torch.sparse_coo, torch.float32"),
        ("fc\n\x1b", torch.ones(2, 2).to_sparse_csr(), r"fc\\n\\x1b is no plain tensor but torch.sparse_csr"),
        (
            "fc",
            torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
            "fc is no plain tensor but .*torch.qint8",
        ),
    ],
)
def test_what_is_no_plain_tensor_is_named(
    path: Path, name: Any, tensor: torch.Tensor, message: str, wrapped: bool
) -> None:
    content = {"first": torch.ones(1), name: tensor}
    torch.save({"state_dict": content} if wrapped else content, path)
    with raises(UserError, match=rf"file\.pth: {message}") as caught:
        read_weight_file(path)
    assert str(caught.value).isprintable()


def test_a_file_that_unpacks_to_much_more_is_not_unpacked(path: Path, tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(10**6)}, path)
    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in whole.namelist():
            packed.writestr(part, whole.read(part))
    assert bomb.stat().st_size < path.stat().st_size / 100
    assert torch.load(bomb, weights_only=True)["conv1.weight"].numel() == 10**6  # negative control: PyTorch unpacks it
    with raises(UserError, match=r"bomb\.pth: 'file/data\.pkl' is packed, which torch\.save never does"):
        read_weight_file(bomb)


def test_a_part_that_is_said_to_be_larger_than_the_file_is_refused(path: Path) -> None:
    torch.save(TENSORS, path)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    content[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    with raises(UserError, match=r"file\.pth: its parts are larger than it is"):
        read_weight_file(path)


def test_a_number_that_is_said_to_fill_terabytes_is_named(path: Path) -> None:
    torch.save({"conv1.weight": torch.ones(1).expand(10**6, 10**6)}, path)
    with raises(UserError, match=r"conv1\.weight is no plain .* of 4000000000000 bytes, which are not in the file"):
        read_weight_file(path)
    torch.save({"conv1.weight": torch.ones(6).view(2, 3).t(), "bias": torch.ones(1).expand(1, 1)}, path)
    assert read_weight_file(path).tensors["conv1.weight"].shape == (3, 2)
