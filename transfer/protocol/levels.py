"""What protocols call stages, and what a network calls so.

A protocol reads four maps, at strides 4, 8, 16 and 32, and holds stages fixed by the same numbers. The paper's networks
have these four stages; others have more (a stage at stride 2) or several of one stride, of which the last one is read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2

from backbones.bundles.bundle import Bundle
from backbones.errors import UserError, not_none
from backbones.models import FeatureInfo, pyramid
from backbones.models.trunk import STAGE_STRIDES

LEVELS = len(STAGE_STRIDES)
LAST = "last"  # as out_indices: the network's last map alone
SINGLE_STRIDES = (8, 16, 32)
UNDILATED = "seg_configs/upernet_ade20k.py"
ONE_STRIDE = (
    "det_configs/faster_rcnn_simple_fpn_voc0712.py, seg_configs/upernet_simple_fpn_ade20k.py and "
    "seg_configs/linear_ade20k.py"
)


@dataclass(frozen=True)
class Levels:
    """The stages of a network that stand for a protocol's four.

    ``network`` is its name, ``features`` are its own stages in classification geometry.
    """

    network: str
    features: tuple[FeatureInfo, ...]

    @classmethod
    def of(cls, bundle: Bundle) -> Levels:
        """Those of a bundle's network."""
        return cls(bundle.architecture, bundle.feature_info)

    @property
    def chosen(self) -> tuple[int, ...]:
        """The index of the stage for each of the strides 4, 8, 16 and 32 that the network has."""
        return pyramid(self.features)

    @property
    def single(self) -> int | None:
        """The stride at which the last map alone is read, its own or the nearest of 8, 16 and 32; None beyond these."""
        own = self.features[-1].stride
        if own not in range(SINGLE_STRIDES[0], SINGLE_STRIDES[-1] + 1):
            return None
        return min(SINGLE_STRIDES, key=lambda stride: abs(log2(stride / own)))

    def indices(self, levels: Sequence[int] | str) -> tuple[int, ...]:
        """Indices of the stages for a protocol's ``out_indices``, which count from 0, or are the last stage alone.

        Raises:
            UserError: There is no such stage, or the network lacks one of the strides; the message names what fits.
        """
        if levels == LAST:
            if self.single is None:
                raise UserError(
                    f"{self.network}: its last map has stride {self.features[-1].stride}, and a simple feature pyramid "
                    f"is made from one of stride {SINGLE_STRIDES[0]} to {SINGLE_STRIDES[-1]}"
                )
            return (len(self.features) - 1,)
        wrong = [level for level in levels if level not in range(LEVELS)]
        if wrong or not levels or isinstance(levels, str):
            raise UserError(
                f"out_indices={levels if isinstance(levels, str) else tuple(levels)}: stages run from 0 to {LEVELS - 1}"
            )
        if len(self.chosen) < LEVELS:
            has = sorted({info.stride for info in self.features})
            raise UserError(
                f"{self.network} has maps of stride {', '.join(map(str, has))} alone, and this protocol "
                f"reads maps of strides {', '.join(map(str, STAGE_STRIDES))}; {self.fitting()}"
            )
        return tuple(self.chosen[level] for level in levels)

    def infos(self, levels: Sequence[int] | str) -> list[FeatureInfo]:
        """Channels and strides, in classification geometry, of the maps for a protocol's ``out_indices``."""
        found = [self.features[index] for index in self.indices(levels)]
        return [replace(found[0], stride=not_none(self.single))] if levels == LAST else found

    def stage(self, frozen: int) -> int:
        """A protocol's ``frozen_stages`` as the network counts its own: 0 is all before the map of stride 4.

        Raises:
            UserError: There are not so many.
        """
        if len(self.chosen) < LEVELS or frozen < 0:  # of a plain transformer, its blocks
            return frozen
        if frozen > LEVELS:
            raise UserError(f"frozen_stages={frozen}: allowed are -1 to {LEVELS}")
        return self.chosen[frozen - 1] + 1 if frozen else self.chosen[0]

    def fitting(self) -> str:
        """Which protocol takes a network that another does not, as the end of a refusal."""
        if self.single and len(self.chosen) < LEVELS:
            return f"{ONE_STRIDE} take it, which read its last map alone"
        if len(self.chosen) < LEVELS:
            return "no protocol here takes it"
        return f"{UNDILATED} takes it, which needs no dilation"


def level(chosen: Sequence[int], stage: int) -> int:
    """Which of a protocol's stages, counted from 1, one of a network's own belongs to; 0 is the stem.

    Args:
        chosen: Indices of the stages that stand for the protocol's, ``Trunk.levels``.
        stage: The network's own, counted from 1.
    """
    if len(chosen) < LEVELS:
        return stage
    return bisect_left(chosen, stage - 1) + 1 if stage > chosen[0] else 0
