"""What a user asks a classification run to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClassificationRequest:
    """The options of ``tools/train_cls.py``. None means: as the recipe, the network or the machine has it.

    ``recipe`` is one by name, or a YAML file. ``plugin`` is a file with tricks and recipes of the user's own.
    ``switched_on`` and ``switched_off`` are tricks by name, as ``backbones.recipes.switches`` reads them. ``color`` is
    one of ``backbones.recipes.recipe.COLORS``. ``ema`` is the decay of the average of the weights, ``clip`` the largest
    norm of the gradient, ``accumulate`` the parts that a batch is cut into, in each process. ``drop_path`` and
    ``grad_checkpointing`` are for timm's networks (``backbones.models.timm_trunk``). Sizes are in images and
    pixels. A dry run needs no ``out``. ``allow_shared_images``: those of ``train`` in ``val``, too. ``split`` is the
    share of ``train`` that is held out where there is no ``val``, by ``split_seed``; ``fraction`` the share that is
    trained on. ``keep`` is one of ``backbones.runs.keeping.KEEPS``.
    """

    data: Path
    network: str
    recipe: str
    out: Path | None
    switched_on: tuple[str, ...] = ()
    switched_off: tuple[str, ...] = ()
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    image_size: int | None = None
    color: str | None = None
    plugin: Path | None = None
    teacher: Path | Sequence[Path] | None = None
    init_from: Path | None = None
    auxiliary: bool = False
    ema: float | None = None
    clip: float | None = None
    accumulate: int = 1
    drop_path: float | None = None
    grad_checkpointing: bool = False
    sync_bn: bool = False
    seed: int = 0
    workers: int = 0
    device: str = "auto"
    precision: str = "auto"
    tensorboard: bool = False
    wandb: str | None = None
    allow_shared_images: bool = False
    split: float | None = None
    split_seed: int = 0
    fraction: float | None = None
    keep: str = "weights"
    resume: bool = False
    dry_run: bool = False

    @property
    def teachers(self) -> tuple[Path, ...]:
        """All of them, in their order."""
        if self.teacher is None:
            return ()
        return (self.teacher,) if isinstance(self.teacher, (str, Path)) else tuple(self.teacher)
