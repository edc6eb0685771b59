"""EfficientNets of timm as EfficientNet-PyTorch spells them, whose names EfficientNet-Lite's checkpoints have, too.

Layers and their order are the same, with one numbering through all blocks: ``_blocks.1._expand_conv.weight`` is timm's
``blocks.1.0.conv_pw.weight`` (https://github.com/lukemelas/EfficientNet-PyTorch).
"""

from __future__ import annotations

import re
from collections.abc import Collection

# timm's modules, and theirs.
_OUTSIDE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
_ATTENTION = {"se.conv_reduce": "_se_reduce", "se.conv_expand": "_se_expand"}
_SEPARABLE = {  # a block without expansion
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
    **_ATTENTION,
}
_INVERTED = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
    **_ATTENTION,
}


_IN_A_BLOCK = re.compile(r"(blocks\.(\d+)\.(\d+)\.)(.+)")


def efficient_net_names(names: Collection[str]) -> dict[str, str]:
    """Of a network of timm, its tensors' names by EfficientNet-PyTorch's; empty if it is no EfficientNet of theirs."""
    matches = {name: _IN_A_BLOCK.fullmatch(name) for name in names}
    blocks = sorted({(int(match[2]), int(match[3])) for match in matches.values() if match})
    found = {}
    for name, match in matches.items():
        inner, prefix, modules = name, "", _OUTSIDE
        if match:
            inner, prefix = match[4], f"_blocks.{blocks.index((int(match[2]), int(match[3])))}."
            modules = _INVERTED if f"{match[1]}conv_pwl.weight" in matches else _SEPARABLE
        module, _, tensor = inner.rpartition(".")
        if module not in modules:
            return {}
        found[f"{prefix}{modules[module]}.{tensor}"] = name
    return found if blocks else {}
