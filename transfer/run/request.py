"""What a user asks of one transfer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TransferOptions:
    """What a user asks of one transfer; the fields are the options of ``tools/transfer_*.py``.

    ``out`` may be missing where nothing is trained: with ``dry_run`` or ``dump_config``. ``keep``
    is one of ``backbones.runs.keeping.KEEPS``.
    """

    config: str
    backbone: str
    out: str | None = None
    data: str | None = None
    classes: str | None = None
    seed: int = 0
    split: float | None = None
    split_seed: int = 0
    fraction: float | None = None
    precision: str = "auto"
    accumulate: int = 1
    total_batch: int | None = None
    workers: int | None = None
    allow_shared_images: bool = False
    keep: str = "weights"
    resume: bool = False
    validate_every: int | None = None
    tensorboard: bool = False
    dry_run: bool = False
    dump_config: str | None = None
    cfg_options: Sequence[str] = ()
    tuned_over: int | None = None
