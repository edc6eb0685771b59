"""Settings that every run derives: an option for one of them would be overwritten, and is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from backbones.errors import UserError
from transfer.protocol.values import DERIVED_FROM_BATCH

BUNDLE, CLASSES = "the bundle", "the class names (--classes)"
SIMPLE_FEATURE_PYRAMID = "SimpleFeaturePyramid"  # a neck that reads one map
OF_THE_BATCH = ("base_batch_size", *DERIVED_FROM_BATCH)


def derived_settings(config: Config) -> dict[str, str]:
    """Where its value comes from, by the dotted key of each setting of the model that a run derives."""
    model = config.model
    derived = {"model.backbone.bundle": "--backbone", "model.backbone.seed": "--seed"}
    for head in ("decode_head", "auxiliary_head"):
        if model.get(head):
            quarter = model[head].type == "FCNHead" and "channels" not in model[head]
            names = ("in_channels", "channels") if quarter else ("in_channels",)
            source = "model.neck.out_channels" if "neck" in model else BUNDLE
            derived |= {f"model.{head}.{name}": source for name in names}
            derived[f"model.{head}.num_classes"] = CLASSES
    if "roi_head" in model:
        derived["model.roi_head.bbox_head.num_classes"] = CLASSES
        if "shared_head" in model.roi_head:
            derived |= _of_a_shared_stage()
    if "neck" in model and "shared_head" not in model.get("roi_head", {}):
        names = ("in_channels", "stride") if model.neck.type == SIMPLE_FEATURE_PYRAMID else ("in_channels",)
        derived |= {f"model.neck.{name}": BUNDLE for name in names}
    return derived


def _of_a_shared_stage() -> dict[str, str]:
    readers = ("rpn_head.in_channels", "roi_head.bbox_roi_extractor.out_channels", "roi_head.bbox_head.in_channels")
    sources = {
        "bundle": "--backbone",
        "seed": "--seed",
        "stage": "model.backbone.out_indices",
        "norm_eval": "model.backbone.norm_eval",
        "norm_frozen": "model.backbone.norm_frozen",
    }
    shared = {f"model.roi_head.shared_head.{name}": source for name, source in sources.items()}
    return {f"model.{reader}": BUNDLE for reader in readers} | shared


def refuse_derived(config: Config, asked: Mapping[str, Any]) -> None:
    """Refuse options for derived settings, also inside a section that is given as a whole.

    Args:
        config: As it is before the options.
        asked: Values by dotted key.

    Raises:
        UserError: Names the setting, and what it follows from.
    """
    derived = derived_settings(config)
    for key in _leaves(asked):
        if key in OF_THE_BATCH and not (key == "base_batch_size" and config.get(key) is None):
            raise UserError(
                f"--cfg-options {key}: a run trains with its protocol's total batch, whatever it is cut into. Name "
                "another one with --total-batch N; --accumulate N cuts it into parts that fit into memory"
            )
        section, *_ = names = key.split(".")
        source = CLASSES if section.endswith("_dataloader") and "metainfo" in names else derived.get(key)
        if source:
            raise UserError(f"--cfg-options {key}: it follows from {source} and would be overwritten; leave it out")


def _leaves(values: Mapping[str, Any]) -> Iterator[str]:
    """Dotted keys of all values that are no sections themselves."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from (f"{key}.{inner}" for inner in _leaves({str(name): each for name, each in value.items()}))
        else:
            yield key
