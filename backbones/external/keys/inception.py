"""Inception-V3 as torchvision and timm spell it; each name stands for a convolution (.conv) and its BatchNorm (.bn)."""

from __future__ import annotations

from backbones.external.keys.layers import conv_norm_names, linear_names

STEM = {
    "Conv2d_1a_3x3": "stem.0",
    "Conv2d_2a_3x3": "stem.1",
    "Conv2d_2b_3x3": "stem.2",
    "Conv2d_3b_1x1": "stage1.0",
    "Conv2d_4a_3x3": "stage1.1",
}
BLOCK_A = {
    "branch1x1": "conv1",
    "branch5x5_1": "conv5.0",
    "branch5x5_2": "conv5.1",
    "branch3x3dbl_1": "conv3_twice.0",
    "branch3x3dbl_2": "conv3_twice.1",
    "branch3x3dbl_3": "conv3_twice.2",
    "branch_pool": "pool.1",
}
BLOCK_B = {
    "branch3x3": "conv3",
    "branch3x3dbl_1": "conv3_twice.0",
    "branch3x3dbl_2": "conv3_twice.1",
    "branch3x3dbl_3": "conv3_twice.2",
}
BLOCK_C = {
    "branch1x1": "conv1",
    "branch7x7_1": "conv7.0",
    "branch7x7_2": "conv7.1",
    "branch7x7_3": "conv7.2",
    "branch7x7dbl_1": "conv7_twice.0",
    "branch7x7dbl_2": "conv7_twice.1",
    "branch7x7dbl_3": "conv7_twice.2",
    "branch7x7dbl_4": "conv7_twice.3",
    "branch7x7dbl_5": "conv7_twice.4",
    "branch_pool": "pool.1",
}
BLOCK_D = {
    "branch3x3_1": "conv3.0",
    "branch3x3_2": "conv3.1",
    "branch7x7x3_1": "conv7_conv3.0",
    "branch7x7x3_2": "conv7_conv3.1",
    "branch7x7x3_3": "conv7_conv3.2",
    "branch7x7x3_4": "conv7_conv3.3",
}
BLOCK_E = {
    "branch1x1": "conv1",
    "branch3x3_1": "conv3.0",
    "branch3x3_2a": "conv3.1.row",
    "branch3x3_2b": "conv3.1.column",
    "branch3x3dbl_1": "conv3_twice.0",
    "branch3x3dbl_2": "conv3_twice.1",
    "branch3x3dbl_3a": "conv3_twice.2.row",
    "branch3x3dbl_3b": "conv3_twice.2.column",
    "branch_pool": "pool.1",
}
BLOCKS = {
    "Mixed_5b": ("stage2.1", BLOCK_A),
    "Mixed_5c": ("stage2.2", BLOCK_A),
    "Mixed_5d": ("stage2.3", BLOCK_A),
    "Mixed_6a": ("stage3.0", BLOCK_B),
    "Mixed_6b": ("stage3.1", BLOCK_C),
    "Mixed_6c": ("stage3.2", BLOCK_C),
    "Mixed_6d": ("stage3.3", BLOCK_C),
    "Mixed_6e": ("stage3.4", BLOCK_C),
    "Mixed_7a": ("stage4.0", BLOCK_D),
    "Mixed_7b": ("stage4.1", BLOCK_E),
    "Mixed_7c": ("stage4.2", BLOCK_E),
}
AUXILIARY_HEAD = "AuxLogits"


def inception_table() -> dict[str, str | None]:
    """All tensors of Inception-V3; the auxiliary head, which only training looks at, is dropped where there is one."""
    names = {theirs: f"trunk.{ours}" for theirs, ours in STEM.items()}
    for theirs, (ours, branches) in BLOCKS.items():
        names |= {f"{theirs}.{branch}": f"trunk.{ours}.{layer}" for branch, layer in branches.items()}
    table: dict[str, str | None] = {}
    for theirs, target in names.items():
        table |= conv_norm_names(f"{theirs}.conv", f"{theirs}.bn", target)
    for name in ("conv0", "conv1"):
        table |= conv_norm_names(f"{AUXILIARY_HEAD}.{name}.conv", f"{AUXILIARY_HEAD}.{name}.bn", None)
    return table | linear_names(f"{AUXILIARY_HEAD}.fc", None) | linear_names("fc", "head")
