"""MobileNet-V1 as timm spells it."""

from __future__ import annotations

from backbones.external.keys.layers import conv_norm_names, linear_names
from backbones.models.mobilenet import STAGES


def mobilenet_table() -> dict[str, str | None]:
    """All tensors of ``mobilenetv1_100``: its first block is part of this project's stem."""
    blocks = {"blocks.0.0": "trunk.stem.1"}
    for stage, (_, count) in enumerate(STAGES, start=1):
        blocks |= {f"blocks.{stage}.{index}": f"trunk.stage{stage}.{index}" for index in range(count)}
    table = conv_norm_names("conv_stem", "bn1", "trunk.stem.0")
    for theirs, ours in blocks.items():
        table |= conv_norm_names(f"{theirs}.conv_dw", f"{theirs}.bn1", f"{ours}.depthwise")
        table |= conv_norm_names(f"{theirs}.conv_pw", f"{theirs}.bn2", f"{ours}.pointwise")
    return table | linear_names("classifier", "head")
