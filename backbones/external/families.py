"""Which published networks are networks of this project. Any other of timm's is one as timm has it, ``timm:NAME``.

Nothing here imports torch: the list must print at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from backbones.errors import UserError

# Both libraries stride in a bottleneck's 3x3 convolution, which is ResNet-B. With basic blocks a and b are one network.
_RESNET_B = {f"resnet{depth}": f"resnet{depth}_b" for depth in (18, 34, 50, 101, 152)}

# The library's name for a network, and this project's.
FAMILIES: dict[str, dict[str, str]] = {
    "torchvision": {**_RESNET_B, "inception_v3": "inception_v3"},
    "timm": {
        **_RESNET_B,
        **{f"resnet{depth}c": f"resnet{depth}_c" for depth in (50, 101, 152)},
        **{f"resnet{depth}d": f"resnet{depth}_d" for depth in (18, 34, 50, 101, 152)},
        "inception_v3": "inception_v3",
        # It clips its activations at 6; the paper's MobileNet does not.
        "mobilenetv1_100": "mobilenet_v1_relu6",
    },
}

# Between weights and the file of a checkpoint that has their names, and before a place in it.
AT, KEY = "@", "#"


@dataclass(frozen=True)
class Source:
    """What ``timm:resnet50d.gluon_in1k`` asks for; ``tag`` is None when it was left out."""

    library: str
    network: str
    tag: str | None

    @property
    def architecture(self) -> str:
        """This project's name for the network."""
        return FAMILIES[self.library].get(self.network, f"{self.library}:{self.network}")

    def __str__(self) -> str:
        return f"{self.library}:{self.network}" + (f".{self.tag}" if self.tag else "")


def parse_source(text: str) -> Source:
    """Read LIBRARY:NETWORK or LIBRARY:NETWORK.WEIGHTS.

    Raises:
        UserError: Another form, or a library or network that cannot be imported; the message says why.
    """
    library, _, rest = text.partition(":")
    network, _, tag = rest.partition(".")
    if library not in FAMILIES or not network:
        raise UserError(
            f"{text!r} names no public weights: write LIBRARY:NETWORK or LIBRARY:NETWORK.WEIGHTS, with LIBRARY "
            f"{' or '.join(FAMILIES)}; --list prints the networks"
        )
    if network not in FAMILIES[library]:
        _check_other(text, library, network)
    return Source(library, network, tag or None)


def _check_other(text: str, library: str, network: str) -> None:
    if library != "timm":
        raise UserError(f"{text}: of {library} these networks can be imported: {', '.join(FAMILIES[library])}")
    from backbones.models import check_network

    try:
        check_network(f"{library}:{network}")
    except UserError as error:
        raise UserError(f"{text}: {error}") from None


def split_checkpoint(text: str) -> tuple[str, Path | None, str | None]:
    """``LIBRARY:NAME.TAG@FILE#KEY`` as the weights, the file and the key; None for what is not there."""
    weights, at, rest = text.partition(AT)
    if not at:
        return weights, None, None
    name, _, key = rest.rpartition(KEY)
    if not name or os.path.exists(os.path.expanduser(rest)):  # a file may have the sign in its name
        return weights, Path(os.path.expanduser(rest)), None
    return weights, Path(os.path.expanduser(name)), key or None


def family_list() -> str:
    """The networks that can be imported, one a line."""
    lines = [
        f"{library + ':' + network:<30} {architecture}"
        for library, networks in FAMILIES.items()
        for network, architecture in networks.items()
    ]
    return "\n".join([*lines, f"{'timm:NAME':<30} any other network of timm, as timm has it"])
