"""ImageNet classifiers trained as in Bag of Tricks (arXiv 1812.01187); needs torch, torchvision and timm.

``__all__`` is for use from Python (``docs/python.md``); each name is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import Any

from backbones.exports import load_export

_PLACES = {
    "UserError": ".errors:UserError",
    "make_shapes": ".data.shapes:make_shapes",
    "read_bundle": ".python:read_bundle",
    "read_classifier": ".python:read_classifier",
    "read_result": ".python:read_result",
    "train_classifier": ".python:train_classifier",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    return load_export(__name__, _PLACES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
