"""timm's published weights: their configuration, and their tensors by timm's own download."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from torch import Tensor

from backbones.bundles.contract import InputContract
from backbones.errors import UserError
from backbones.external.families import Source
from backbones.external.weights import Catalogue, PublicWeights, pixel_levels

# The only weights with an auxiliary head. timm would load them leniently into a network without one.
_WITH_AUXILIARY_HEAD = ("inception_v3", "tv_in1k")


def catalogue(source: Source) -> Catalogue:
    """The published weights of a network.

    Raises:
        UserError: timm is not installed.
    """
    models = _timm().models
    configurations = models.get_arch_pretrained_cfgs(source.network)
    described = {
        configuration.tag: _describe(Source("timm", source.network, configuration.tag), configuration)
        for configuration in configurations.values()
        if configuration.has_weights
    }
    default = models.get_pretrained_cfg(source.network)
    if not described:  # what timm has the network for, which is what a checkpoint of it was most likely trained on
        described = {default.tag: _describe(Source("timm", source.network, default.tag or None), default)}
    return Catalogue(described, default.tag)


def download(weights: PublicWeights) -> dict[str, Tensor]:
    """Tensors by timm's names; timm loads them strictly and caches the file."""
    source = weights.source
    auxiliary = {"aux_logits": True} if (source.network, source.tag) == _WITH_AUXILIARY_HEAD else {}
    return _timm().create_model(f"{source.network}.{source.tag}", pretrained=True, **auxiliary).state_dict()


def _timm() -> ModuleType:
    try:
        import timm
    except ImportError:
        raise UserError("weights of timm need timm, for their configuration too: pip install timm") from None
    return timm


def _describe(source: Source, configuration: Any) -> PublicWeights:
    eval_size = (configuration.test_input_size or configuration.input_size)[-1]
    contract = InputContract(
        mean=pixel_levels(configuration.mean),
        std=pixel_levels(configuration.std),
        channel_order="RGB",
        train_size=configuration.input_size[-1],
        eval_size=eval_size,
        interpolation=configuration.interpolation,
    )
    evaluation = {
        "crop_fraction": configuration.test_crop_pct or configuration.crop_pct,
        "crop_mode": configuration.crop_mode,
        "crop_size": eval_size,
        "interpolation": configuration.interpolation,
    }
    url = configuration.url or f"https://huggingface.co/{configuration.hf_hub_id}"
    # timm's configurations hold no accuracies.
    return PublicWeights(source, contract, evaluation, None, None, url, configuration.license)
