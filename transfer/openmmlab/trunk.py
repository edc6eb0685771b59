"""What all detectors and segmentors have of a bundle: its trunk, or the trunk and its last stage in two places.

What the registry builds is the trunk itself, the very class that was trained inside the classifier; there is no
wrapper, so its parameters are called ``backbone.stem…`` in the detector as they are ``trunk.stem…`` in the classifier.
Only a stage that leaves the trunk, to be the head that all regions share, is held by a small module, which keeps the
stage's name: ``roi_head.shared_head.stage4…``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from backbones.bundles.bundle import Bundle
from backbones.bundles.ledger import load_part, load_trunk
from backbones.errors import UserError
from backbones.external.sources import RANDOM_PREFIX, TAKEN, Opened, open_source, parse_weight_source
from backbones.models import CLASSIFICATION_STRIDE, TIMM_PREFIX, Trunk, UndilatedError, create_backbone
from transfer.protocol.levels import LAST, LEVELS, Levels


def open_bundle(source: str, seed: int) -> Bundle:
    """A bundle by what ``--backbone`` takes (``backbones.external.sources``); ``seed`` initialises a random one.

    Raises:
        UserError: There is no such bundle, it is not readable, or the network is unknown.
    """
    return open_backbone(source, seed).bundle


def open_backbone(source: str, seed: int) -> Opened:
    """``open_bundle``, with what is to be recorded of it."""
    asked = parse_weight_source(source, "--backbone")
    file = asked.path or asked.file
    stamp = (file.stat().st_mtime_ns, file.stat().st_size) if file and file.is_file() else None
    return _open(source, seed if source.startswith(RANDOM_PREFIX) else None, stamp)


@lru_cache(maxsize=1)
def _open(source: str, seed: int | None, stamp: tuple[int, int] | None) -> Opened:
    """``stamp``, time and size of the file, makes one that was written anew another one."""
    opened = open_source(source, "--backbone", seed or 0)
    _check_described(opened.bundle)
    return opened


def _check_described(bundle: Bundle) -> None:
    """A header's stages decide the size of neck and heads before the trunk's tensors are looked at.

    Raises:
        UserError: They are not the network's.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        stages = tuple(create_backbone(bundle.architecture).feature_info)
    if bundle.feature_info != stages:
        raise UserError(
            f"{bundle.source}: its header describes other stages (feature_info) than {bundle.architecture} has; write "
            "it again"
        )


@MODELS.register_module(name="BundleTrunk")
def bundle_trunk(
    bundle: str,
    seed: int = 0,
    out_indices: Sequence[int] | str = tuple(range(LEVELS)),
    output_stride: int = CLASSIFICATION_STRIDE,
    stages: int = LEVELS,
    frozen_stages: int = -1,
    norm_eval: bool = False,
    norm_frozen: bool = False,
    drop_path: float = 0.0,
    grad_checkpointing: bool = False,
) -> Trunk:
    """Build a trunk and load its tensors, every one accounted for. All its maps are aligned with the image.

    Protocols name stages by the strides 4, 8, 16 and 32, whatever else a network has: it gives the last map of each
    (``transfer.protocol.levels``).

    Args:
        bundle: What ``--backbone`` takes: path of a ``backbone.safetensors``, ``random:NETWORK``, public weights.
        seed: Initialisation of a random trunk; a bundle from a file ignores it.
        out_indices: Which of the four maps the neck or the heads get, from 0; or "last": the network's last one alone,
            laid on a grid of 8, 16 or 32 pixels where its own is none of these.
        output_stride: 32, or 16 or 8 with dilation.
        stages: How many stages it keeps; ``BundleStage`` has the next one.
        frozen_stages: -1 none, 0 the stem, k the stem and k stages.
        norm_eval: BatchNorm keeps the statistics it was pretrained with.
        norm_frozen: BatchNorm's gamma and beta do not train.
        drop_path: As ``TimmTrunk`` has it, as is grad_checkpointing.

    Raises:
        UserError: No bundle given, an unreadable bundle, an unknown network, or a geometry the network does not have.
        ProofError: A tensor did not arrive.
    """
    source = _given_bundle(bundle, seed)
    levels = Levels.of(source)
    if stages != LEVELS and source.architecture.startswith(TIMM_PREFIX):
        raise UserError(
            f"{source.architecture} has no stage that a head of regions could take over; take a protocol with a "
            "feature pyramid, det_configs/faster_rcnn_fpn_voc0712.py"
        )
    trunk = dense_trunk(levels, out_indices, output_stride, drop_path, grad_checkpointing)
    if stages == LEVELS:
        load_trunk(trunk, source)
    else:
        _cut(trunk, stages, output_stride)
        load_part(trunk, source)
    if norm_frozen:
        _freeze_norms(trunk)
    return trunk.freeze(levels.stage(frozen_stages) if stages == LEVELS else frozen_stages, norm_eval)


def dense_trunk(
    levels: Levels,
    out_indices: Sequence[int] | str = tuple(range(LEVELS)),
    output_stride: int = CLASSIFICATION_STRIDE,
    drop_path: float = 0.0,
    grad_checkpointing: bool = False,
) -> Trunk:
    """The untrained trunk of a network in a geometry whose maps lie on the image; arguments as of ``bundle_trunk``.

    Raises:
        UserError: The network does not have it; the message names a protocol that fits.
    """
    network, indices = levels.network, levels.indices(out_indices)
    try:
        trunk = create_backbone(
            network,
            output_stride,
            out_indices=indices,
            padded=True,
            drop_path=drop_path,
            grad_checkpointing=grad_checkpointing,
        )
    except UndilatedError as error:
        dense_trunk(levels, out_indices)  # what another protocol would not take either says so itself
        raise UserError(f"{error}; {levels.fitting()}") from None
    if trunk.only_image:
        raise UserError(f"{network} {trunk.why_not(0)}, and those of a transfer are of all sizes: no protocol takes it")
    if not trunk.padded:
        raise UserError(
            f"{network} leaves out the border of images, so its maps do not lie on them: no protocol takes it"
        )
    if out_indices == LAST:
        trunk.grid_stride = levels.single
    return trunk


class RoIStage(nn.Module):
    """One stage of a trunk, by its name there, computing on the regions that another stage's map is cut into.

    Args:
        name: Of the stage.
        stage: The module.
        norm_eval: BatchNorm keeps the statistics it was pretrained with.
    """

    def __init__(self, name: str, stage: nn.Module, norm_eval: bool) -> None:
        super().__init__()
        self.stage_name = name
        self.norm_eval = norm_eval
        self.add_module(name, stage)
        self.train(self.training)

    def forward(self, x: Tensor) -> Tensor:
        """Regions (R, C, H, W) of the stage before to (R, channels, ceil(H / 2), ceil(W / 2)) of this one."""
        return self.get_submodule(self.stage_name)(x)

    def train(self, mode: bool = True) -> RoIStage:
        """As in ``nn.Module``, except that BatchNorm stays in evaluation mode where it keeps its statistics."""
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


@MODELS.register_module(name="BundleStage")
def bundle_stage(
    bundle: str, stage: int, seed: int = 0, norm_eval: bool = False, norm_frozen: bool = False
) -> RoIStage:
    """Build one stage of a trunk on its own and load its tensors; it computes what it computes in the trunk.

    Args:
        bundle: As in ``bundle_trunk``, as are seed, norm_eval and norm_frozen.
        stage: Which one, from 0.

    Raises:
        UserError: As in ``bundle_trunk``, or a stage that the network does not have.
        ProofError: A tensor did not arrive.
    """
    source = _given_bundle(bundle, seed)
    trunk = dense_trunk(Levels.of(source))
    if stage not in range(1, len(trunk.stage_modules)):
        raise UserError(
            f"stage={stage}: {source.architecture} can give its stages 1 to {len(trunk.stage_modules) - 1}, counted "
            "from 0, to a head of regions"
        )
    name = trunk.stage_modules[stage]
    head = RoIStage(name, trunk.get_submodule(name), norm_eval)
    load_part(head, source)
    if norm_frozen:
        _freeze_norms(head)
    return head


def _given_bundle(source: str, seed: int) -> Bundle:
    if not source:
        raise UserError(f"this configuration names no trunk; give --backbone, which takes {TAKEN}")
    return open_bundle(source, seed)


def _cut(trunk: Trunk, stages: int, output_stride: int) -> None:
    """Take the last stages off a trunk."""
    if stages not in range(1, len(trunk.stage_modules)):
        raise UserError(f"stages={stages}: a trunk keeps 1 to {len(trunk.stage_modules)} stages")
    if output_stride != CLASSIFICATION_STRIDE:
        raise UserError(
            f"output_stride={output_stride} with stages={stages}: the stage that is cut off strides as in "
            f"classification, so this wants output_stride={CLASSIFICATION_STRIDE}"
        )
    if max(trunk.out_indices) >= stages:
        raise UserError(f"out_indices={trunk.out_indices}: with stages={stages}, stages run from 0 to {stages - 1}")
    for name in trunk.stage_modules[stages:]:
        delattr(trunk, name)
    trunk.stage_modules = trunk.stage_modules[:stages]
    trunk.feature_info = trunk.feature_info[:stages]


def _freeze_norms(module: nn.Module) -> None:
    for inner in module.modules():
        if isinstance(inner, _BatchNorm):
            inner.requires_grad_(False)
