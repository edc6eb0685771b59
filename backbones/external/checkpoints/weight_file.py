"""Tensors from a local checkpoint file, without ever running code that is in it."""

from __future__ import annotations

import argparse
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
from backbones.tensor_files import strangeness

# Where training scripts keep the network's tensors: timm's, Lightning's, OpenMMLab's; torchvision's; DINO's; and those
# of PyTorch's tutorials.
WRAPPERS = ("state_dict", "state_dict_ema", "model", "model_ema", "student", "teacher", "model_state_dict")
# Put before every name by distributed and averaged models, and by compiled ones.
PREFIXES = ("module.", "_orig_mod.")
# As a key: those names that stand there without anything before them.
NO_PREFIX = "."
# How many models an averaged one is the mean of; no tensor of the network.
AVERAGING_COUNTER = "n_averaged"
_MOST_NAMED = 20
_LEGACY_PICKLES = 4  # magic number, version, system, object; more follow, and the tensors' bytes


@dataclass(frozen=True)
class WeightFile:
    """Tensors by name, and what had to be taken off to get at them, in order.

    ``left`` names the other entries of the file. ``wanted`` is what of the key is no entry: the beginning of names that
    is asked for, with a dot at its end, or empty for ``NO_PREFIX``; None where nothing is.
    """

    tensors: dict[str, Tensor]
    unwrapped: tuple[str, ...]
    left: tuple[str, ...] = ()
    wanted: str | None = None


def read_weight_file(path: str | os.PathLike[str], key: str | None = None) -> WeightFile:
    """Read a state dictionary from a ``.safetensors`` file or one that ``torch.save`` wrote.

    Args:
        path: The file.
        key: Entry of the file that holds the tensors, and entries in it, and how names in it begin, with dots between
            them; None takes the only entry there is.

    Raises:
        UserError: The file is missing, cut short, holds anything besides tensors that would have to run code, or
            leaves open which of its entries is meant.
    """
    if not Path(path).is_file():
        raise UserError(f"--checkpoint {path}: there is no such file")
    content = _read_safetensors(path) if str(path).endswith(".safetensors") else _read_pickle(path)
    file = _take_entry(path, content, key)
    _check_plain(path, file.tensors)
    return _strip_prefixes(file)


def _read_safetensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        blame_machine(error, f"{path} cannot be read")
        raise UserError(f"{path} is not a whole safetensors file ({error}); copy or download it again") from None


def _read_pickle(path: str | os.PathLike[str]) -> Any:
    _refuse_packed(path)
    try:
        # Training scripts keep their options with the weights. A Namespace takes attributes and does nothing else.
        with torch.serialization.safe_globals([argparse.Namespace]):
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


def _refuse_packed(path: str | os.PathLike[str]) -> None:
    """PyTorch unpacks what it never packs, and a file of some kilobytes may unpack to gigabytes.

    Raises:
        UserError: A part of the archive is packed, or is said to be larger than the whole file.
    """
    try:
        if not zipfile.is_zipfile(path):
            return  # of PyTorch's older format, or of none
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except Exception:  # zipfile raises many kinds for a table of contents that is none; torch.load tells
        return
    packed = [part.filename for part in parts if part.compress_type != zipfile.ZIP_STORED]
    if packed or sum(part.file_size for part in parts) > os.path.getsize(path):
        what = f"{packed[0]!r} is packed" if packed else "its parts are larger than it is"
        raise UserError(
            f"{path}: {what}, which torch.save never does, so it is not read; where you trust the file, unpack it and "
            "save its tensors again with torch.save"
        )


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


def _take_entry(path: str | os.PathLike[str], content: Any, key: str | None) -> WeightFile:
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path} holds no dictionary of tensors but a {type(content).__name__}; save a state_dict")
    if _holds_tensors_only(content) and (key in (None, NO_PREFIX) or any(_begins(name, key) for name in content)):
        return WeightFile(dict(content), (), wanted=_beginning(key))
    entries = [name for name, value in content.items() if isinstance(value, Mapping) and isinstance(name, str)]
    wanted = [name for name in entries if _begins(key, name)] if key else [name for name in WRAPPERS if name in entries]
    if len(wanted) != 1:
        there = [name for name in entries if _holds_a_tensor(content[name])] or entries
        told = ", ".join(map(printable, there[:_MOST_NAMED])) or "none"
        raise UserError(f"{path}: give the entry that holds the tensors with --key; its dictionaries are: {told}")
    (entry,) = wanted
    left = tuple(str(name) for name in content if name != entry)
    inner, rest = content[entry], (key or "")[len(entry) + 1 :] or None
    if rest and not _holds_tensors_only(inner):
        found = _take_entry(path, inner, rest)
        return WeightFile(found.tensors, (entry, *found.unwrapped), (*left, *found.left), found.wanted)
    others = [printable(name) for name, value in inner.items() if not isinstance(value, Tensor)]
    if others or not inner:
        held = ", ".join(others[:4]) or "empty"
        raise UserError(f"{path}: its entry {printable(entry)} does not hold tensors only ({held})")
    return WeightFile(dict(inner), (entry,), left, _beginning(rest))


def _begins(name: Any, key: str | None) -> bool:
    """Whether a name is a key or goes on after it with a dot."""
    return key is not None and (name == key or str(name).startswith(f"{key}."))


def _beginning(key: str | None) -> str | None:
    return "" if key == NO_PREFIX else key and f"{key}."


def _holds_tensors_only(content: Mapping[Any, Any]) -> bool:
    return all(isinstance(value, Tensor) for value in content.values())


def _holds_a_tensor(content: Mapping[Any, Any]) -> bool:
    return any(isinstance(value, Tensor) for value in content.values())


def _check_plain(path: str | os.PathLike[str], tensors: Mapping[Any, Tensor]) -> None:
    """Names are words, and tensors are values in memory, one after the other: nothing else can be copied or compared.

    Raises:
        UserError: Something else is there; the message names it.
    """
    if strange := [name for name in tensors if not isinstance(name, str)]:
        raise UserError(f"{path}: a tensor is called {reprlib.repr(strange[0])}, which is no word; save a state_dict")
    for name, tensor in tensors.items():
        if kind := strangeness(tensor):
            raise UserError(
                f"{path}: {printable(name)} is no plain tensor but {kind}; save it as a dense one with values"
            )


def _strip_prefixes(file: WeightFile) -> WeightFile:
    stripped, unwrapped, wanted = dict(file.tensors), file.unwrapped, file.wanted
    if AVERAGING_COUNTER in stripped:
        del stripped[AVERAGING_COUNTER]
        unwrapped += (AVERAGING_COUNTER,)
    while prefix := next(
        (prefix for prefix in PREFIXES if stripped and all(n.startswith(prefix) for n in stripped)), ""
    ):
        stripped = {name.removeprefix(prefix): tensor for name, tensor in stripped.items()}
        unwrapped += (prefix,)
        # Written with it or without it; where nothing else was asked for, nothing is any more.
        wanted = wanted and (wanted.removeprefix(prefix) or None)
    return WeightFile(stripped, unwrapped, file.left, wanted)
