"""Two files that are written for other programs: weights, and beside them what does not go into weights."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from backbones.errors import UserError


def configuration_path(path: Path) -> Path:
    """Where the configuration is written that goes with the weights."""
    return path.with_name(f"{path.name}.json")


def require_free(path: Path, force: bool) -> None:
    """See that both can be written.

    Raises:
        UserError: One is a folder, or is there already without ``force``.
    """
    for target in (path, configuration_path(path)):
        if target.is_dir():
            raise UserError(f"--out {target} is a folder; name a file, for example {target / 'backbone.pth'}")
        if target.exists() and not force:
            raise UserError(f"{target} exists; name another --out, or give --force to replace it")


def pickled(state: Mapping[str, Any]) -> bytes:
    """What ``torch.save`` would write; straight to a full disk it would end in an error that names no file."""
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()
