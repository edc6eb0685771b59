"""Bundles that stand for those that the users of a shipped suite make by hand before they plan it."""

from __future__ import annotations

import re
from pathlib import Path

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.models import create_classifier

NETWORK = "mobilenet_v1_025"  # the smallest


def stand_in(suite: Path, folder: Path) -> None:
    """Write the bundles below ``folder`` that a suite names as ``data/weights/NAME.safetensors``."""
    for name in re.findall(r"from: (data/weights/[\w-]+\.safetensors)", suite.read_text(encoding="utf-8")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        training = {"recipe": f"timm:{Path(name).stem}"}
        write_bundle(folder / name, create_classifier(NETWORK, 2), NETWORK, imagenet_contract(224), training)
