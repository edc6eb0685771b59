"""Networks as ``--network list`` prints them: size, cost, stages, and where public weights are."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence

import torch

from backbones.errors import UserError
from backbones.external.families import FAMILIES
from backbones.models import TIMM_PREFIX, FeatureInfo, create_backbone, default_image_size, list_backbones
from backbones.models.timm_survey import survey, timm_library
from backbones.profiling.cost import NUM_CLASSES, count_operations

OPTION = "list"
_SHOWN = 3  # sets of weights by name; timm has dozens of some networks
_HINT = f"timm's networks, by pattern: --network '{OPTION}:{TIMM_PREFIX}regnety_*'"


def network_list(option: str) -> Iterator[str]:
    """A line for each network that is asked for, as soon as it is known; nothing is trained or downloaded.

    Args:
        option: ``list`` for the project's own networks, or ``list:PATTERN`` with ``*`` and ``?`` for those and, behind
            ``timm:``, for timm's.

    Raises:
        UserError: No network matches the pattern.
    """
    _, _, pattern = option.partition(":")
    names = fnmatch.filter(_known(pattern), pattern) if pattern else list_backbones()
    if not names:
        raise UserError(f"--network {option}: no network matches {pattern!r}; {_HINT}")
    yield f"{'network':<28} {'weights':>9} {'multiply-adds':>13}  {'image':<6}  stages (strides); public weights"
    for name in names:
        yield _line(name)
    if not pattern:
        yield _HINT
    yield f"weights and multiply-adds are those of {NUM_CLASSES} classes and one image"


def _known(pattern: str) -> list[str]:
    if not pattern.startswith(TIMM_PREFIX):
        return list_backbones()
    return [f"{TIMM_PREFIX}{name}" for name in timm_library().list_models()]


def _line(name: str) -> str:
    size = default_image_size(name)
    try:
        counted, strides = count_operations(name, size), _strides(name)
    except UserError as error:
        return f"{name:<28} cannot be a trunk: {error}"
    weights, operations = counted["parameters"] / 1e6, counted["multiply_adds"] / 1e9
    stages = f"{len(strides)} ({', '.join(map(str, dict.fromkeys(strides)))})"
    return f"{name:<28} {weights:>7.2f} M {operations:>11.2f} G  {size:<3} px  {stages}; {_public_weights(name)}"


def _strides(name: str) -> list[int]:
    features = survey(name).features if name.startswith(TIMM_PREFIX) else _built(name)
    return [each.stride for each in features]


def _built(name: str) -> Sequence[FeatureInfo]:
    with torch.device("meta"):
        return create_backbone(name).feature_info


def _public_weights(name: str) -> str:
    """As ``tools/import_weights.py`` takes them."""
    if name.startswith(TIMM_PREFIX):
        found = timm_library().models.get_arch_pretrained_cfgs(name.removeprefix(TIMM_PREFIX)).values()
        sources = [f"{name}.{each.tag}" if each.tag else name for each in found if each.has_weights]
    else:
        sources = [
            f"{library}:{theirs}"
            for library, networks in FAMILIES.items()
            for theirs, ours in networks.items()
            if ours == name
        ]
    more = f" and {len(sources) - _SHOWN} more" if len(sources) > _SHOWN else ""
    return f"{', '.join(sources[:_SHOWN])}{more}" if sources else "none"
