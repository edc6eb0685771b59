"""From a bundle to one transfer, to detection or segmentation.

``__all__`` is for use from Python (``docs/python.md``); each name is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import Any

from backbones.exports import load_export

_PLACES = {
    "read_detections": ".python:read_detections",
    "read_segmentations": ".python:read_segmentations",
    "to_detection": ".python:to_detection",
    "to_segmentation": ".python:to_segmentation",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    return load_export(__name__, _PLACES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
