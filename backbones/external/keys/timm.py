"""Networks that are timm's own: its names, and those of other implementations of the same network."""

from __future__ import annotations

from backbones.bundles.ledger import TRUNK_PREFIX
from backbones.external.keys.efficient_net import efficient_net_names
from backbones.models.timm_survey import head_prefixes, survey

_MODEL = f"{TRUNK_PREFIX}model."


def timm_tables(architecture: str) -> list[dict[str, str | None]]:
    """Of ``timm:NAME``, tables that a checkpoint may follow.

    Raises:
        UserError: timm does not know it, or it can be no trunk.
    """
    tables: list[dict[str, str | None]] = [{name: f"{_MODEL}{name}" for name in survey(architecture).tensors}]
    if others := efficient_net_names(survey(architecture).tensors):
        tables.append({theirs: f"{_MODEL}{name}" for theirs, name in others.items()})
    return tables


def timm_heads(architecture: str) -> tuple[str, ...]:
    """The layers that end in the classes; the first of several heads first.

    Raises:
        UserError: timm does not know it.
    """
    return tuple(f"{_MODEL}{each}" for each in head_prefixes(architecture))
