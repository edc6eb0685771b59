"""Tensors from a local checkpoint file, without ever running code that is in it."""

from __future__ import annotations

import os
import pickletools
import re
import reprlib
import zipfile
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backbones.errors import UserError
from backbones.machine.lacks import blame_machine
from backbones.reporting.printable import printable

# Where training scripts keep the network's tensors: timm's, and torchvision's.
WRAPPERS = ("state_dict", "state_dict_ema", "model", "model_ema")
# Put before every name by distributed and averaged models, and by compiled ones.
PREFIXES = ("module.", "_orig_mod.")
# How many models an averaged one is the mean of; no tensor of the network.
AVERAGING_COUNTER = "n_averaged"
_MOST_NAMED = 20
_PLAIN_TENSORS = (Tensor, torch.nn.Parameter)
_LEGACY_PICKLES = 4  # magic number, version, system, object; more follow, and the tensors' bytes


@dataclass(frozen=True)
class WeightFile:
    """Tensors by name, and what had to be taken off to get at them, in order."""

    tensors: dict[str, Tensor]
    unwrapped: tuple[str, ...]


def read_weight_file(path: str | os.PathLike[str], key: str | None = None) -> WeightFile:
    """Read a state dictionary from a ``.safetensors`` file or one that ``torch.save`` wrote.

    Args:
        path: The file.
        key: Entry of the file that holds the tensors; None takes the only one there is.

    Raises:
        UserError: The file is missing, cut short, holds anything besides tensors that would have to run code, or
            leaves open which of its entries is meant.
    """
    if not Path(path).is_file():
        raise UserError(f"--checkpoint {path}: there is no such file")
    content = _read_safetensors(path) if str(path).endswith(".safetensors") else _read_pickle(path)
    tensors, unwrapped = _take_entry(path, content, key)
    _check_plain(path, tensors)
    return _strip_prefixes(tensors, unwrapped)


def _read_safetensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        blame_machine(error, f"{path} cannot be read")
        raise UserError(f"{path} is not a whole safetensors file ({error}); copy or download it again") from None


def _read_pickle(path: str | os.PathLike[str]) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file can fail anywhere inside the unpickler, with any exception.
    except Exception as error:
        blame_machine(error, f"{path} cannot be read")
        stranger = re.search(r"GLOBAL ([\w.]+)", str(error))
        if stranger and not _is_cut_off(path):
            raise UserError(
                f"{path} holds more than tensors ({stranger[1]}), and reading that could run code, so it is not read; "
                "where you trust the file, save its tensors alone (a state_dict) and import that"
            ) from None
        raise UserError(
            f"{path} cannot be read as a file of torch.save ({type(error).__name__}); copy or download it again"
        ) from None


def _is_cut_off(path: str | os.PathLike[str]) -> bool:
    """Whether one of the pickles that ``torch.save``'s older format begins with has no end.

    Cut off in a name, it seems to hold something of another name. A zip file has its table of contents at its end, and
    is not opened without it.
    """
    if zipfile.is_zipfile(path):
        return False
    with open(path, "rb") as file:
        for _ in range(_LEGACY_PICKLES):
            if file.tell() == os.path.getsize(path):
                break
            try:
                deque(pickletools.genops(file), maxlen=0)
            except ValueError:
                return True
    return False


def _take_entry(
    path: str | os.PathLike[str], content: Any, key: str | None
) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path} holds no dictionary of tensors but a {type(content).__name__}; save a state_dict")
    if key is None and all(isinstance(value, Tensor) for value in content.values()):
        return content, ()
    entries = [name for name, value in content.items() if isinstance(value, Mapping)]
    wanted = [key] if key else [name for name in WRAPPERS if name in entries]
    if len(wanted) != 1 or wanted[0] not in entries:
        there = ", ".join(map(printable, entries[:_MOST_NAMED])) or "none"
        raise UserError(f"{path}: give the entry that holds the tensors with --key; its dictionaries are: {there}")
    tensors = content[wanted[0]]
    others = [printable(name) for name, value in tensors.items() if not isinstance(value, Tensor)]
    if others or not tensors:
        raise UserError(
            f"{path}: its entry {wanted[0]} does not hold tensors only ({', '.join(others[:4]) or 'empty'})"
        )
    return tensors, (wanted[0],)


def _check_plain(path: str | os.PathLike[str], tensors: Mapping[Any, Tensor]) -> None:
    """Names are words, and tensors are values in memory, one after the other: nothing else can be copied or compared.

    Raises:
        UserError: Something else is there; the message names it.
    """
    if strange := [name for name in tensors if not isinstance(name, str)]:
        raise UserError(f"{path}: a tensor is called {reprlib.repr(strange[0])}, which is no word; save a state_dict")
    for name, tensor in tensors.items():
        if (
            tensor.is_meta
            or tensor.layout != torch.strided
            or tensor.is_quantized
            or type(tensor) not in _PLAIN_TENSORS
        ):
            kind = "without values (meta)" if tensor.is_meta else f"{tensor.layout}, {tensor.dtype}"
            raise UserError(
                f"{path}: {printable(name)} is no plain tensor but {kind}; save it as a dense one with values"
            )


def _strip_prefixes(tensors: Mapping[str, Tensor], unwrapped: tuple[str, ...]) -> WeightFile:
    stripped = dict(tensors)
    if AVERAGING_COUNTER in stripped:
        del stripped[AVERAGING_COUNTER]
        unwrapped += (AVERAGING_COUNTER,)
    while prefix := next(
        (prefix for prefix in PREFIXES if stripped and all(n.startswith(prefix) for n in stripped)), ""
    ):
        stripped = {name.removeprefix(prefix): tensor for name, tensor in stripped.items()}
        unwrapped += (prefix,)
    return WeightFile(stripped, unwrapped)
