"""Where a network with its weights comes from, in one word: what every command takes, and how it is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.bundles.bundle import Bundle, content_checksum, make_bundle, read_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.bundles.loading import find_bundle
from backbones.errors import UserError, not_none
from backbones.external.families import AT, FAMILIES, KEY, Source, parse_source, split_checkpoint
from backbones.files import sha256_file
from backbones.reporting.printable import printable

RANDOM_PREFIX = "random:"
TAKEN = (
    "a bundle, the folder of a finished run, timm:NAME.TAG or torchvision:NAME.TAG (downloaded), the same with @FILE "
    "for a local checkpoint (and #KEY for a place in it), or random:NETWORK"
)


@dataclass(frozen=True)
class WeightSource:
    """One of: ``path`` of a bundle or run folder; ``public`` weights, with ``file`` and ``key`` of a local checkpoint;
    ``network``, which starts at random."""

    text: str
    path: Path | None = None
    public: Source | None = None
    file: Path | None = None
    key: str | None = None
    network: str | None = None


@dataclass(frozen=True)
class Opened:
    """What a word stands for.

    ``sha256`` is a bundle file's, and of what has no file that of its content. ``told`` are lines on where it comes
    from, for what is not a bundle yet.
    """

    bundle: Bundle
    sha256: str
    told: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """What ``run.json`` says of it: its checksum, and what no bundle's header says of where it comes from."""
        return {"sha256": self.sha256, **({"origin": self.bundle.training["origin"]} if self.told else {})}


def parse_weight_source(source: str | os.PathLike[str], option: str) -> WeightSource:
    """What a word names; no file is opened.

    Args:
        source: The word, one of ``TAKEN``.
        option: What it was given with, for messages.

    Raises:
        UserError: There is no such file or folder, or network; the message names everything that is taken.
    """
    text = os.fspath(source)
    if text.startswith(RANDOM_PREFIX):
        return WeightSource(text, network=_network(text, option))
    if is_public(text):
        return _parse_public(text, option)
    path = os.path.expanduser(text)
    if not os.path.exists(path):
        raise UserError(f"{option} {printable(text)}: there is no such run folder or bundle; taken are {TAKEN}")
    return WeightSource(text, path=find_bundle(path, option))


def absolute_source(text: str) -> str:
    """The same word for a command that is given in another folder; nothing is looked for."""
    if text.startswith(RANDOM_PREFIX):
        return text
    if not is_public(text):
        return os.path.abspath(os.path.expanduser(text))
    weights, file, key = split_checkpoint(text)
    return weights + (f"{AT}{os.path.abspath(file)}" if file else "") + (f"{KEY}{key}" if key else "")


def is_public(text: str) -> bool:
    """Whether a word names weights of a library, or a checkpoint by its names."""
    return text.partition(":")[0] in FAMILIES and not os.path.exists(text)


def open_source(
    source: str | os.PathLike[str], option: str, seed: int = 0, classes: Sequence[str] | None = None
) -> Opened:
    """A network with its weights, wherever they come from.

    Args:
        source: The word, one of ``TAKEN``.
        option: What it was given with, for messages.
        seed: Initialises a random network.
        classes: Names for the head of a random network; None: it has one output, which is without meaning.

    Raises:
        UserError: As ``parse_weight_source``; also a damaged bundle, a failed download, or a checkpoint that is not
            that network.
    """
    asked = parse_weight_source(source, option)
    if asked.path is not None:
        return Opened(read_bundle(asked.path), sha256_file(asked.path))
    if asked.network is not None:
        bundle = random_bundle(asked.network, seed, classes)
        return Opened(bundle, content_checksum(bundle))
    from backbones.external.description import describe_import
    from backbones.external.importing import import_bundle

    bundle = import_bundle(not_none(asked.public), asked.file, asked.key, unnamed=True)
    return Opened(bundle, content_checksum(bundle), tuple(describe_import(bundle)))


def random_bundle(network: str, seed: int, classes: Sequence[str] | None = None) -> Bundle:
    """An untrained network; the trunk is the same with any head.

    Raises:
        UserError: An unknown network.
    """
    import torch

    from backbones.models import TIMM_PREFIX, create_classifier, default_image_size, initialisation
    from backbones.recipes.recipe import RANDOM_RECIPE

    contract = imagenet_contract(default_image_size(network))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = create_classifier(network, num_classes=len(classes) if classes else 1)
    training = {"recipe": RANDOM_RECIPE, "network": network, "seed": seed}
    if network.startswith(TIMM_PREFIX):
        training["initialisation"] = initialisation(network)
    return make_bundle(
        classifier,
        network,
        contract,
        {**training, "classes": list(classes)} if classes else training,
        f"{RANDOM_PREFIX}{network}",
    )


def source_identity(source: str | os.PathLike[str], option: str) -> str:
    """What a word stands for, as a text that changes with it; nothing is downloaded.

    Raises:
        UserError: As ``parse_weight_source``.
    """
    asked = parse_weight_source(source, option)
    if asked.path is not None:
        return sha256_file(asked.path)
    if asked.file is not None:
        if not asked.file.is_file():
            raise UserError(f"{option} {asked.text}: there is no file {asked.file}")
        return f"{asked.public}{AT}{sha256_file(asked.file)}{KEY}{asked.key or ''}"
    return asked.text


def _parse_public(text: str, option: str) -> WeightSource:
    weights, file, key = split_checkpoint(text)
    try:
        return WeightSource(text, public=parse_source(weights), file=file, key=key)
    except UserError as error:
        raise UserError(f"{option} {error}") from None


def _network(text: str, option: str) -> str:
    from backbones.models import check_network

    network = text.removeprefix(RANDOM_PREFIX)
    try:
        check_network(network)
    except UserError as error:
        raise UserError(f"{option} {text}: {error}") from None
    return network
