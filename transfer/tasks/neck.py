"""What a neck takes from the trunk, whichever task it is in."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import ConfigDict

from backbones.models import FeatureInfo
from transfer.protocol.derived import SIMPLE_FEATURE_PYRAMID


def set_neck(neck: ConfigDict, infos: Sequence[FeatureInfo]) -> None:
    """Channels of the maps that it reads; for a simple feature pyramid those of the one map, and its stride."""
    if neck.type == SIMPLE_FEATURE_PYRAMID:
        (info,) = infos
        neck.in_channels, neck.stride = info.channels, info.stride
    else:
        neck.in_channels = [info.channels for info in infos]
