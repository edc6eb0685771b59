"""``backbone.safetensors``: the only thing that crosses from classification to transfer.

The file holds the classifier's tensors under their own names (``trunk.…``, ``head.…``) and, in its header, a JSON
document: format version, architecture, stage channels and strides, input contract, training facts, and a SHA-256
checksum of every tensor. There is no pickle in it: a file from a stranger cannot run code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from backbones.bundles.contract import InputContract
from backbones.bundles.header import FORMAT, read_header
from backbones.errors import UserError
from backbones.files import write_bytes
from backbones.machine.lacks import blame_machine
from backbones.models import Classifier, FeatureInfo
from backbones.reporting.printable import printable

HEADER_KEY = "carryover"
TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool)
MOST_NAMED = 8


@dataclass(frozen=True)
class Bundle:
    """A classifier as read from a file: tensors by name, and everything that is known about them.

    ``source`` names the file, or the description of a trunk that was made and not read. ``training`` holds recipe,
    network, epochs, seed, classes, top1 and top5 in percent, data set and versions, as far as they are known.
    """

    tensors: dict[str, Tensor]
    architecture: str
    feature_info: tuple[FeatureInfo, ...]
    input_contract: InputContract
    training: dict[str, Any]
    checksums: dict[str, str]
    source: str


def tensor_checksum(tensor: Tensor) -> str:
    """SHA-256 over dtype, shape and values, independent of device and memory layout."""
    values = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{values.dtype} {tuple(values.shape)} ".encode())
    digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def content_checksum(bundle: Bundle) -> str:
    """SHA-256 over everything that decides what a bundle computes; also of one that no file holds."""
    content = [bundle.architecture, asdict(bundle.input_contract), bundle.training.get("classes"), bundle.checksums]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def joint_checksum(checksums: Sequence[str]) -> str:
    """SHA-256 of several weights that compute together, in their order."""
    return hashlib.sha256(" ".join(checksums).encode()).hexdigest()


def make_bundle(
    classifier: Classifier,
    architecture: str,
    input_contract: InputContract,
    training: Mapping[str, Any],
    source: str,
    without: Collection[str] = (),
) -> Bundle:
    """Describe a classifier in memory exactly as ``read_bundle`` would describe its file.

    ``without`` names tensors that are left out: those of a head that nobody trained.
    """
    # A copy, contiguous: the classifier may train on, and safetensors stores no strides.
    tensors = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in classifier.state_dict().items()
        if name not in without
    }
    checksums = {name: tensor_checksum(value) for name, value in tensors.items()}
    feature_info = tuple(classifier.trunk.feature_info)
    return Bundle(tensors, architecture, feature_info, input_contract, dict(training), checksums, source)


def write_bundle(
    path: str | os.PathLike[str],
    classifier: Classifier,
    architecture: str,
    input_contract: InputContract,
    training: Mapping[str, Any],
) -> Bundle:
    """Write a classifier as a bundle, atomically, and return what was written.

    Raises:
        WriteError: The file cannot be written.
    """
    return save_bundle(path, make_bundle(classifier, architecture, input_contract, training, str(path)))


def save_bundle(path: str | os.PathLike[str], bundle: Bundle) -> Bundle:
    """Write a bundle, atomically, and return it.

    Raises:
        WriteError: The file cannot be written.
    """
    header = {
        "format": FORMAT,
        "architecture": bundle.architecture,
        "feature_info": [asdict(info) for info in bundle.feature_info],
        "input_contract": asdict(bundle.input_contract),
        "training": bundle.training,
        "checksums": bundle.checksums,
    }
    write_bytes(path, save(bundle.tensors, metadata={HEADER_KEY: json.dumps(header)}))
    return bundle


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle and check every tensor against its checksum.

    Raises:
        UserError: The file is missing, cut short, not a bundle, of another format version, or holds a tensor that is
            not the one that was written or not finite; the message names the file and the tensor.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such bundle; tools/train_cls.py writes backbone.safetensors into its --out")
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        blame_machine(error, f"{path} cannot be read")
        raise UserError(f"{path} is not a whole safetensors file ({error}); write or copy it again") from None
    if HEADER_KEY not in metadata:
        raise UserError(f"{path} is a safetensors file but not a bundle of tools/train_cls.py: its header is missing")
    header = read_header(metadata[HEADER_KEY], str(path))
    _check_tensors(str(path), tensors, header.checksums)
    return Bundle(
        tensors=tensors,
        architecture=header.architecture,
        feature_info=header.feature_info,
        input_contract=header.input_contract,
        training=header.training,
        checksums=header.checksums,
        source=str(path),
    )


def _check_tensors(source: str, tensors: Mapping[str, Tensor], checksums: Mapping[str, str]) -> None:
    if unlisted := sorted(tensors.keys() ^ checksums.keys()):
        raise UserError(f"{source}: header and tensors disagree about {_named(unlisted)}; write it again")
    if strange := [name for name, value in tensors.items() if value.dtype not in TYPES]:
        raise UserError(f"{source}: no network here has tensors of the type of {_named(strange)}; write it again")
    if changed := [name for name, value in tensors.items() if tensor_checksum(value) != checksums[name]]:
        raise UserError(f"{source}: not the tensors that were written: {_named(changed)}; restore the file")
    if endless := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise UserError(
            f"{source}: NaN or infinity in {_named(endless)}: nothing can be computed with these weights; take "
            "another file, or train it again"
        )


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(map(printable, names[:MOST_NAMED]))
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"
