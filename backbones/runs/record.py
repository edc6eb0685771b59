"""``run.json`` and ``result.json``, read with their fields of the types that their readers take for granted.

The files may have been edited, damaged or made by someone else. What a reader does not look at is not checked.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from backbones.errors import UserError
from backbones.files import read_json
from backbones.reporting.printable import printable

MOST = 1e15  # seconds, bytes, images: beyond, sums over runs would lose digits


class _Kind(NamedTuple):
    """What a value should be, in words, and whether it is."""

    words: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MOST


_TEXT = _Kind("a text", lambda value: isinstance(value, str))
_TRUTH = _Kind("true or false", lambda value: isinstance(value, bool))
_WHOLE = _Kind("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
_COUNT = _Kind("a whole number from 0", lambda value: _WHOLE.holds(value) and 0 <= value <= MOST)
_NUMBER = _Kind("a number", _is_number)
_AMOUNT = _Kind("a number from 0", lambda value: _is_number(value) and value >= 0)
_SECTION = _Kind("a section", lambda value: isinstance(value, dict))
_SECTION_OR_EMPTY = _Kind("a section", lambda value: isinstance(value, dict) or value == [])
_LIST = _Kind("a list", lambda value: isinstance(value, list))

ANY = "*"  # every key of a section, every place of a list
# By keys with dots between. None of them has to be there: older runs lack some, and have null for others.
FIELDS: Mapping[str, _Kind] = {
    **dict.fromkeys(("task", "recipe", "network", "protocol", "config_hash", "fixed_hash", "command"), _TEXT),
    **dict.fromkeys(("started", "precision", "batch_norm", "ops", "code"), _TEXT),
    **{"former_hashes": _SECTION, f"former_hashes.{ANY}": _TEXT},
    "seed": _WHOLE,
    "data": _SECTION_OR_EMPTY,
    **dict.fromkeys(("data.root", "data.fingerprint"), _TEXT),
    **dict.fromkeys(("data.train_images", "data.shared_images"), _COUNT),
    **{"data.split": _SECTION, "data.split.share": _AMOUNT, "data.split.seed": _WHOLE, "data.fraction": _AMOUNT},
    "settings": _SECTION,
    **{f"settings.{key}": _COUNT for key in ("epochs", "batch_size", "image_size", "parts", "batch_norm_images")},
    **{f"settings.{key}": _TEXT for key in ("plugin", "precision", "color", "learning_rate")},
    **{"settings.schedule": _SECTION, "settings.recipe": _SECTION},
    **{
        f"settings.recipe.{key}": _AMOUNT
        for key in ("epochs", "batch_size", "warmup_epochs", "label_smoothing", "mixup")
    },
    **{f"settings.recipe.{key}": _NUMBER for key in ("base_learning_rate", "momentum", "weight_decay", "distillation")},
    **{"settings.recipe.schedule": _TEXT, "settings.recipe.milestones": _LIST, "settings.recipe.tricks": _SECTION},
    "hardware": _SECTION,
    **{"hardware.name": _TEXT, "hardware.device": _TEXT, "hardware.processes": _COUNT, "hardware.tf32": _TRUTH},
    **{"versions": _SECTION, f"versions.{ANY}": _TEXT},
    "sittings": _LIST,
    **{f"sittings.{ANY}": _SECTION, f"sittings.{ANY}.versions": _SECTION, f"sittings.{ANY}.versions.{ANY}": _TEXT},
    **{f"sittings.{ANY}.{key}": _TEXT for key in ("command", "started", "code")},
    f"sittings.{ANY}.hardware": _SECTION,
    "backbone": _SECTION,
    **{"backbone.path": _TEXT, "backbone.sha256": _TEXT, "backbone.seed": _WHOLE},
    **{"teacher": _SECTION, "teacher.sha256": _TEXT, "init_from": _SECTION, "init_from.sha256": _TEXT},
    **{"training": _SECTION, "training.batch_norm_images": _COUNT, "training.total_batch": _COUNT},
    "metrics": _SECTION,
    **{"best": _SECTION, f"best.{ANY}": _NUMBER},
    **{"per_class": _SECTION, f"per_class.{ANY}": _SECTION, f"per_class.{ANY}.{ANY}": _NUMBER},
    "timings": _SECTION,
    **{f"timings.{part}_seconds": _AMOUNT for part in ("train", "test", "total")},
    **{"timings.peak_memory_bytes": _AMOUNT, "timings.kwh": _AMOUNT},
    **{"timings.kwh_of": _SECTION, f"timings.kwh_of.{ANY}": _AMOUNT},
    **{"proof": _SECTION, "proof.ledger": _SECTION, "proof.ledger.digest": _TEXT},
    **{"proof.ledger.source_tensors": _COUNT, "proof.ledger.mapped": _COUNT},
    **{"proof.ledger.dropped": _SECTION, f"proof.ledger.dropped.{ANY}": _LIST},
    **{"proof.features": _SECTION, "proof.features.stages": _LIST},
    "proof.features.dense_output_stride": _COUNT,
    **{"proof.after_training": _SECTION, "proof.after_training.stages": _LIST},
    f"proof.after_training.stages.{ANY}": _SECTION,
    **{f"proof.after_training.stages.{ANY}.{key}": _COUNT for key in ("moved", "tensors")},
    f"tuned.changed.{ANY}": _TEXT,
}


def read_record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What ``run.json`` or ``result.json`` says.

    Raises:
        UserError: It is missing, cannot be read, holds no record of a run, or a field of ``FIELDS`` is of another type;
            the message names the file and the field.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged: it holds no record of a run; delete it or restore it")
    for keys, kind in FIELDS.items():
        for name, value in _found(content, keys.split("."), ""):
            if value is not None and not kind.holds(value):
                raise UserError(
                    f"{path}: {printable(name)!r} is {reprlib.repr(value)} where {kind.words} should be; repeat the run"
                )
    return content


def _found(content: Any, keys: list[str], above: str) -> Iterator[tuple[str, Any]]:
    """What stands under keys, with its own name."""
    if not keys:
        yield above.removeprefix("."), content
        return
    first, *rest = keys
    if first == ANY and isinstance(content, (dict, list)):
        for key, inside in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _found(inside, rest, f"{above}.{key}")
    elif isinstance(content, dict) and first in content:
        yield from _found(content[first], rest, f"{above}.{first}")
