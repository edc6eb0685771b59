"""A row of a suite that is not trained: public weights, a checkpoint, a bundle, or a random network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbones.cli.yaml_section import Section
from backbones.errors import UserError
from backbones.external.families import parse_source, split_checkpoint
from backbones.external.sources import TAKEN, absolute_source, is_public, parse_weight_source
from backbones.recipes.recipe import RANDOM_RECIPE
from studies.suite.definition import Import, SuiteRow

_OF_IMPORTS = ("checkpoint", "key", "classes", "top1")


def imported_row(section: Section, name: str | None, trained: Sequence[str], shared: dict[str, Any]) -> SuiteRow:
    """A row with ``from``.

    Args:
        section: Of the row.
        name: Its name, which it needs.
        trained: What it says of a training.
        shared: What all rows may have.

    Raises:
        UserError: Keys that contradict each other, or weights that there are not.
    """
    if trained or shared["teacher"] or shared["options"]:
        section.error("from", "is in place of a training; take recipe, network, teacher and options away")
    if name is None:
        section.error("name", "is missing; a row of imported weights needs one")
    said = section["from"]
    if isinstance(said, str):
        said = {"source": said}
    weights = Section(section.path, section.place("from"), said, ("source", *_OF_IMPORTS))
    source = weights.text("source")
    if source is None:
        weights.error("source", f"is missing; it is {TAKEN}")
    return (_public if is_public(source) else _ready)(weights, source, name, shared)


def _ready(weights: Section, source: str, name: str, shared: dict[str, Any]) -> SuiteRow:
    """A row of what needs no import: a bundle that is there already, or a random network."""
    for key in _OF_IMPORTS:
        if key in weights:
            weights.error(key, "is for weights that are imported, LIBRARY:NETWORK.WEIGHTS")
    try:
        asked = parse_weight_source(absolute_source(source), "from")
    except UserError as error:
        weights.error("source", str(error))
    if asked.network:
        return SuiteRow(name, RANDOM_RECIPE, asked.network, **shared)
    return SuiteRow(name, source=Import(str(asked.path), finished=True), **shared)


def _public(weights: Section, source: str, name: str, shared: dict[str, Any]) -> SuiteRow:
    """A row of weights that are imported."""
    source, file, place = split_checkpoint(source)
    try:
        parse_source(source)
    except UserError as error:
        weights.error("source", str(error))
    checkpoint, key, classes = (weights.text(name) for name in ("checkpoint", "key", "classes"))
    if file and (checkpoint or key):
        weights.error("checkpoint" if checkpoint else "key", "stands after the @ of source already; take one away")
    if key and not checkpoint:
        weights.error("key", "names an entry of a local file; give the file as checkpoint")
    path = Path(checkpoint) if checkpoint else file
    named = Path(classes) if classes else None
    return SuiteRow(name, source=Import(source, path, key or place, named, top1=weights.number("top1")), **shared)
