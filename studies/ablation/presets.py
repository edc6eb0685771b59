"""The tables of the paper that an ablation can repeat."""

from __future__ import annotations

# Each with the network of the paper's table.
PRESETS = {
    "table4-256": "resnet50_a",
    "table4-1024": "resnet50_a",
    "table6": "resnet50_d",
    "table6-without-distillation": "resnet50_d",
}
