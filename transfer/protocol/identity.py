"""The hash of a downstream configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

from mmengine.config import Config

# What a protocol's hash leaves out: the arm of the comparison, and where things lie or how they are fed.
FORMERLY_UNHASHED = ("bundle", "seed", "data_root", "num_workers", "persistent_workers", "work_dir")
# Where the project's own files lie is no part of it either; it was until 2026-11-27.
UNHASHED_KEYS = (*FORMERLY_UNHASHED, "custom_imports")


def config_hash(config: Config, precision: str, unhashed: Collection[str] = UNHASHED_KEYS) -> str:
    """12 hexadecimal digits over the downstream configuration and arithmetic: all but backbone, seed and paths.

    Take it before the bundle's values go in, so that all arms of a comparison share it. It covers the total batch, and
    not how that is cut over processes and passes.
    """
    text = json.dumps([precision, _hashable(config.to_dict(), unhashed)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def former_hash(config: Config, precision: str) -> str:
    """The hash that runs of older versions have of the same configuration."""
    return config_hash(config, precision, FORMERLY_UNHASHED)


def _hashable(value: Any, unhashed: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {key: _hashable(inner, unhashed) for key, inner in value.items() if key not in unhashed}
    if isinstance(value, (list, tuple)):
        return [_hashable(inner, unhashed) for inner in value]
    return value
