"""ResNet-B, C and D as torchvision and timm spell them, and OpenMMLab."""

from __future__ import annotations

from collections.abc import Sequence

from backbones.external.keys.layers import conv_norm_names, linear_names
from backbones.models.resnet import LAYOUTS, VARIANTS

# Convolution, BatchNorm, and ours.
PLAIN_STEM = (("conv1", "bn1", "stem"),)
DEEP_STEM = (
    ("conv1.0", "conv1.1", "stem.0"),
    ("conv1.3", "conv1.4", "stem.1"),
    ("conv1.6", "bn1", "stem.2"),
)
OPENMMLAB_DEEP_STEM = (("stem.0", "stem.1", "stem.0"), ("stem.3", "stem.4", "stem.1"), ("stem.6", "stem.7", "stem.2"))


def resnet_table(
    depth: int, variant: str, deep_stem: Sequence[tuple[str, str, str]] = DEEP_STEM
) -> dict[str, str | None]:
    """All tensors of a ResNet of a depth and variant, in whose names only the deep stem's differ by library."""
    block, counts = LAYOUTS[depth]
    tweaks = VARIANTS[variant]
    table: dict[str, str | None] = {}
    for conv, norm, ours in deep_stem if tweaks.deep_stem else PLAIN_STEM:
        table |= conv_norm_names(conv, norm, f"trunk.{ours}")
    convolutions = 2 if block.expansion == 1 else 3
    # In D a pool, or nothing in its place, comes before the shortcut's convolution.
    shortcut = 1 if tweaks.pooled_shortcut else 0
    for stage, count in enumerate(counts, start=1):
        for index in range(count):
            theirs, ours = f"layer{stage}.{index}", f"trunk.stage{stage}.{index}"
            for number in range(1, convolutions + 1):
                table |= conv_norm_names(f"{theirs}.conv{number}", f"{theirs}.bn{number}", f"{ours}.conv{number}")
            # The first stage of basic blocks keeps its channels and strides nowhere: no projection.
            if index == 0 and (stage > 1 or block.expansion > 1):
                down = f"{theirs}.downsample"
                table |= conv_norm_names(f"{down}.{shortcut}", f"{down}.{shortcut + 1}", f"{ours}.shortcut")
    return table | linear_names("fc", "head")
