"""What a library says about weights it publishes, and which of them are meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backbones.bundles.contract import InputContract
from backbones.errors import UserError
from backbones.external.families import Source

# Both libraries put the first digits of a file's SHA-256 into its name.
_HASHED_NAME = re.compile(r"-([0-9a-f]{8,64})\.pth$")


@dataclass(frozen=True)
class PublicWeights:
    """One set of published weights.

    ``evaluation`` is the library's own preprocessing, as far as the input contract has no place for it. ``top1`` and
    ``top5`` are in percent and None where the library's configuration does not hold them.
    """

    source: Source
    contract: InputContract
    evaluation: dict[str, Any]
    top1: float | None
    top5: float | None
    url: str | None
    license: str | None

    def is_file(self, sha256: str) -> bool:
        """Whether a file with this checksum is the published one, as far as its published name tells."""
        digits = _HASHED_NAME.search(self.url or "")
        return digits is not None and sha256.startswith(digits[1])


@dataclass(frozen=True)
class Catalogue:
    """All weights a library publishes of one network, by tag, and the tag it takes when none is given."""

    weights: Mapping[str, PublicWeights]
    default: str


@dataclass(frozen=True)
class Choice:
    """The weights whose configuration applies; ``published`` says whether the tensors are known to be theirs."""

    weights: PublicWeights
    published: bool


def pixel_levels(values: Sequence[float]) -> tuple[float, float, float]:
    """From the 0-1 to the 0-255 scale; rounded, because 255 * 0.485 is not 123.675 in binary."""
    red, green, blue = (round(255 * value, 6) for value in values)
    return red, green, blue


def choose_download(source: Source, catalogue: Catalogue) -> PublicWeights:
    """The weights a source names, or the library's default.

    Raises:
        UserError: The library has no such weights.
    """
    tag = source.tag or catalogue.default
    if tag not in catalogue.weights:
        known = ", ".join(f"{source.network}.{name}" for name in catalogue.weights)
        raise UserError(f"{source}: this version of {source.library} publishes no such weights; it has {known}")
    return catalogue.weights[tag]


def choose_for_file(source: Source, catalogue: Catalogue, name: str, sha256: str) -> Choice:
    """The weights whose configuration applies to a local file.

    Args:
        source: What the user called it.
        catalogue: What there is.
        name: The file's name, for messages.
        sha256: Its checksum, which decides where the library publishes checksums.

    Raises:
        UserError: No such weights, the file is known to be others, or the source leaves open which of several input
            contracts the file was trained with.
    """
    known = next((weights for weights in catalogue.weights.values() if weights.is_file(sha256)), None)
    if known and source.tag in (None, known.source.tag):
        return Choice(known, published=True)
    if known:
        raise UserError(f"{name} is the published file of {known.source}, not of {source}; give {known.source}")
    weights = choose_download(source, catalogue)
    contracts = {other.contract for other in catalogue.weights.values()}
    if source.tag is None and len(contracts) > 1:
        raise UserError(
            f"{source} --checkpoint {name}: {source.library} knows weights of {source.network} with {len(contracts)} "
            "different normalisations or sizes; say which this file was trained with, for example "
            f"{weights.source} (there are {', '.join(catalogue.weights)})"
        )
    return Choice(replace(weights, source=source), published=False)
