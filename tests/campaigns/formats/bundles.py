"""Weights: bundles, and files of other libraries that can be imported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file

from backbones.bundles.bundle import HEADER_KEY, tensor_checksum, write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.bundles.loading import trained_classifier
from backbones.external.checkpoints.weight_file import read_weight_file
from backbones.models import create_classifier
from campaigns.formats.format import Format
from campaigns.formats.pictures import build_image_folder
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.fields import change_field
from campaigns.mutators.mutation import MISSING, VALUE, Mutation
from campaigns.mutators.saved import saved_field

NETWORK, CLASSES = "mobilenet_v1_025", ("cat", "dog")
_LENGTH = 8  # bytes that say how long the header is


def small_classifier() -> Any:
    """The smallest network of all, with drawn weights."""
    torch.manual_seed(0)
    return create_classifier(NETWORK, len(CLASSES)).eval()


def build_bundle(folder: Path) -> None:
    """A bundle as a run leaves it."""
    facts = {
        **{"recipe": "d-smooth", "network": NETWORK, "seed": 0, "classes": list(CLASSES), "top1": 50.0, "top5": 100.0},
        **{"epochs": 1, "dataset": "data", "fingerprint": "0" * 16, "versions": {"torch": "2"}},
    }
    write_bundle(folder / "backbone.safetensors", small_classifier(), NETWORK, imagenet_contract(32), facts)


def _build_with_data(folder: Path) -> None:
    build_bundle(folder)
    build_image_folder(folder / "data", "png")


def _read_bundle(folder: Path) -> Any:
    """All that a transfer and a training take from it."""
    bundle, model = trained_classifier(folder / "backbone.safetensors")
    with torch.no_grad():
        output = model.eval()(torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32))
    described = replace(bundle, tensors={}, source="")
    return described, {name: tensor_checksum(value) for name, value in bundle.tensors.items()}, output.tolist()


def header_field(content: bytes, random: Random) -> Mutation:
    """A field of the header is another; what safetensors itself wants to know stays right."""
    length = int.from_bytes(content[:_LENGTH], "little")
    header = json.loads(content[_LENGTH : _LENGTH + length])
    document = json.loads(header["__metadata__"][HEADER_KEY])
    fields = {name: value for name, value in document.items() if name != "checksums" or random.random() < 0.1}
    changed, what, damage = change_field(fields, random)
    if isinstance(changed, dict):
        changed = {**{name: value for name, value in document.items() if name not in fields}, **changed}
    header["__metadata__"][HEADER_KEY] = json.dumps(changed)
    packed = json.dumps(header).encode()
    packed += b" " * (-len(packed) % 8)
    whole = len(packed).to_bytes(_LENGTH, "little") + packed + content[_LENGTH + length :]
    return Mutation(whole, f"header: {what}", damage)


def header_bytes(content: bytes, random: Random) -> Mutation:
    """Damage within the header, which is a hundredth of the file and would hardly ever be met."""
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    changed = random.choice(DAMAGE)(content[:end], random)
    return Mutation(changed.content + content[end:], f"header: {changed.what}", changed.damage)


BUNDLE = Format("bundle-bytes", build_bundle, ("*.safetensors",), _read_bundle, (*DAMAGE, *[header_bytes] * 4))
HEADER = Format(
    "bundle-header",
    _build_with_data,
    ("*.safetensors",),
    _read_bundle,
    (header_field,),
    free=(VALUE, MISSING),
    command=lambda folder: [
        *("tools/test_cls.py", "--model", str(folder / "backbone.safetensors"), "--data", str(folder / "data")),
        *("--workers", "0", "--out", str(folder / "report")),
    ],
    may_write=("report", "report/*"),
)


def _build_weights(folder: Path) -> None:
    tensors = {name: value.clone() for name, value in list(small_classifier().state_dict().items())[:20]}
    torch.save({"state_dict": tensors, "epoch": 3}, folder / "weights.pth")
    save_file(tensors, folder / "weights.safetensors")


def _read_weights(folder: Path, name: str) -> Any:
    found = read_weight_file(folder / name)
    return found.unwrapped, {name: tensor_checksum(value) for name, value in found.tensors.items()}


# Other libraries' files have no checksums of our own to hold them against.
PICKLED = Format(
    "weights-pth",
    _build_weights,
    ("weights.pth",),
    lambda folder: _read_weights(folder, "weights.pth"),
    DAMAGE,
    free=("bytes",),
)
PICKLED_FIELDS = Format(
    "weights-pth-fields",
    _build_weights,
    ("weights.pth",),
    lambda folder: _read_weights(folder, "weights.pth"),
    (saved_field,),
    free=(VALUE, MISSING),
)
FOREIGN = Format(
    "weights-safetensors",
    _build_weights,
    ("weights.safetensors",),
    lambda folder: _read_weights(folder, "weights.safetensors"),
    (*DAMAGE, *[header_bytes] * 4),
    free=("bytes",),
)
