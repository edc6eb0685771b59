"""The JSON in a bundle's header: read as far as it is plain, of the right types and within limits.

The file may come from anyone, and its checksums cover the tensors only.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backbones.bundles.contract import InputContract
from backbones.errors import UserError
from backbones.models import FeatureInfo, default_image_size
from backbones.reporting.printable import printable

FORMAT = 1
LARGEST = 2**24  # characters; the checksums of a network and the names of 20,000 classes take a tenth of it
DEEPEST = 20  # sections in sections
MOST_STAGES, MOST_CHANNELS, LARGEST_STRIDE = 64, 2**20, 2**12
LONGEST_NAME = 1000
_CHECKSUM_DIGITS = 64


@dataclass(frozen=True)
class Header:
    """What a bundle says of itself; see ``backbones.bundles.bundle``."""

    architecture: str
    feature_info: tuple[FeatureInfo, ...]
    input_contract: InputContract
    training: dict[str, Any]
    checksums: dict[str, str]


def read_header(text: str, source: str) -> Header:
    """Parse a header.

    Args:
        text: The JSON document.
        source: The file, for messages.

    Raises:
        UserError: It is damaged, of another format version, or says what no bundle could; the message names the file
            and the part.
    """
    if len(text) > LARGEST:
        raise UserError(f"{source}: its header has {len(text)} characters, more than {LARGEST}; is it the right file?")
    try:
        header = json.loads(text)
        _check_depth(header)
        if header["format"] != FORMAT:
            said = reprlib.repr(header["format"])
            raise UserError(f"{source} has bundle format {said}, this version reads {FORMAT}; write it again")
        return Header(
            architecture=_architecture(header["architecture"], source),
            feature_info=_stages(header["feature_info"]),
            input_contract=_contract(header["input_contract"], source),
            training=_training(header["training"]),
            checksums=_checksums(header["checksums"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        reason = "sections in sections without end" if isinstance(error, RecursionError) else reason
        raise UserError(f"{source}: its header is damaged ({printable(reason)}); write or copy it again") from None


def _check_depth(header: Any) -> None:
    """Whoever walks through it later does so with a function that calls itself."""
    level = [header]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for value in level:
            inner += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if not inner:
            return
        level = inner
    raise ValueError(f"sections in sections, more than {DEEPEST} deep")


def _section(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {reprlib.repr(value)}, not a section")
    return value


def _name(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise ValueError(f"{name} is {reprlib.repr(value)}, not a name")
    return value


def _architecture(value: Any, source: str) -> str:
    name = _name(value, "architecture")
    try:
        default_image_size(name)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None
    return name


def _is_number(value: Any, least: float, most: float) -> bool:
    """Whether it is one from ``least`` to ``most``, which NaN is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and _is_number(value, least, most)


def _stages(value: Any) -> tuple[FeatureInfo, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_STAGES:
        raise ValueError(f"feature_info is {reprlib.repr(value)}, not a list of stages")
    stages = tuple(FeatureInfo(**_section(info, "feature_info")) for info in value)
    for stage in stages:
        _name(stage.name, "the name of a stage")
        if not _is_whole(stage.channels, 1, MOST_CHANNELS) or not _is_whole(stage.stride, 1, LARGEST_STRIDE):
            said = reprlib.repr((stage.channels, stage.stride))
            raise ValueError(f"channels and stride of a stage are {said}, not whole numbers of a network")
    return stages


def _contract(value: Any, source: str) -> InputContract:
    fields = _section(value, "input_contract")
    try:
        return InputContract(**{**fields, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])})
    except ValueError as error:
        raise UserError(f"{source}: its input contract is wrong: {error}; write it again") from None


def _training(value: Any) -> dict[str, Any]:
    training = _section(value, "training")
    for key in ("recipe", "network"):
        if key in training:
            _name(training[key], f"training.{key}")
    limits: Mapping[str, tuple[float, float]] = {"epochs": (0, 1e9), "top1": (0, 100), "top5": (0, 100)}
    for key, (least, most) in limits.items():
        if training.get(key) is not None and not _is_number(training[key], least, most):
            raise ValueError(f"training.{key} is {reprlib.repr(training[key])}, not a number from {least} to {most:g}")
    if training.get("seed") is not None and not _is_whole(training["seed"], 0, 2**63 - 1):
        raise ValueError(f"training.seed is {reprlib.repr(training['seed'])}, not a whole number from 0")
    classes = training.get("classes")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(each, str) for each in classes)):
        raise ValueError(f"training.classes is {reprlib.repr(classes)}, not a list of names")
    for key in ("dataset", "fingerprint"):
        if training.get(key) is not None and not isinstance(training[key], str):
            raise ValueError(f"training.{key} is {reprlib.repr(training[key])}, not a text")
    _check_split(training)
    versions = {} if training.get("versions") is None else _section(training["versions"], "training.versions")
    if not all(isinstance(text, str) for text in versions.values()):
        raise ValueError(f"training.versions is {reprlib.repr(versions)}, not a section of texts")
    _check_numbers(training)
    return training


def _check_split(training: Mapping[str, Any]) -> None:
    """What was held out of the data, and the share of them that was trained on."""
    split = training.get("split")
    if split is not None:
        share, seed = _section(split, "training.split").get("share"), split.get("seed")
        if not _is_number(share, 0, 1) or not _is_whole(seed, 0, 2**63 - 1):
            raise ValueError(f"training.split is {reprlib.repr(split)}, not a share from 0 to 1 and a seed")
    if training.get("fraction") is not None and not _is_number(training["fraction"], 0, 1):
        raise ValueError(f"training.fraction is {reprlib.repr(training['fraction'])}, not a number from 0 to 1")


def _check_numbers(training: Mapping[str, Any]) -> None:
    """All of it may be written into records, which are JSON and have neither NaN nor infinity."""
    pending: list[Any] = [training]
    while pending:
        value = pending.pop()
        if isinstance(value, (dict, list)):
            pending += value.values() if isinstance(value, dict) else value
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"training holds {value}")
        elif isinstance(value, int) and abs(value) >= 2**64:
            raise ValueError(f"training holds {reprlib.repr(value)}, a number beyond 64 bits")


def _checksums(value: Any) -> dict[str, str]:
    checksums = _section(value, "checksums")
    for name, checksum in checksums.items():
        if not isinstance(checksum, str) or len(checksum) != _CHECKSUM_DIGITS:
            raise ValueError(f"the checksum of {reprlib.repr(name)} is {reprlib.repr(checksum)}")
    return checksums
