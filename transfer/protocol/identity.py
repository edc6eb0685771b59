"""The hash of a downstream configuration."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mmengine.config import Config

# What a protocol's hash leaves out: the arm of the comparison, where things lie (the project's own files too, which
# ``custom_imports`` names) and how they are fed.
UNHASHED_KEYS = ("bundle", "seed", "data_root", "num_workers", "persistent_workers", "work_dir", "custom_imports")


def config_hash(config: Config, precision: str) -> str:
    """12 hexadecimal digits over the downstream configuration and arithmetic: all but backbone, seed and paths.

    Take it before the bundle's values go in, so that all arms of a comparison share it. It covers the total batch, and
    not how that is cut over processes and passes.
    """
    text = json.dumps([precision, _hashable(config.to_dict())], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hashable(inner) for key, inner in value.items() if key not in UNHASHED_KEYS}
    if isinstance(value, (list, tuple)):
        return [_hashable(inner) for inner in value]
    return value
