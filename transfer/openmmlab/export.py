"""A bundle's trunk for the stock ``ResNet`` of mmdetection and mmsegmentation, which know nothing of this project.

Both toolkits have the same ResNet under the same tensor names; they differ in the names they give its variants and in
the dilation they can be asked for. What cannot be in a file of weights, the geometry and the normalisation that the
weights were trained with, is written beside it as the piece of configuration to go with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.bundles.bundle import Bundle, read_bundle
from backbones.bundles.contract import InputContract
from backbones.bundles.ledger import MAPPED, TRUNK_PREFIX, Ledger, LedgerEntry, ProofError, load_trunk
from backbones.bundles.loading import find_bundle
from backbones.errors import UserError
from backbones.external.keys.resnet import OPENMMLAB_DEEP_STEM, resnet_table
from backbones.external.written_files import configuration_path, pickled, require_free
from backbones.files import atomic_path, sha256_file, write_json
from backbones.models import TIMM_PREFIX, create_backbone
from backbones.models.resnet import LAYOUTS, VARIANTS, Tweaks
from transfer.prepare.disk import writing
from transfer.protocol.source_text import literal

FORMAT = 1
STYLES = ("mmdet", "mmseg")
# Strides and dilations of the stages for the output strides that dense prediction uses.
DENSE_GEOMETRY = {8: ((1, 2, 1, 1), (1, 1, 2, 4)), 16: ((1, 2, 2, 1), (1, 1, 1, 2))}


@dataclass(frozen=True)
class Export:
    """What was written: the weights' path, the piece of configuration, the fate of every tensor, and remarks."""

    path: Path
    config: dict[str, Any]
    ledger: Ledger
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report, with the configuration as Python that can be pasted."""
        summary = self.ledger.summary()
        dropped = [f"{len(names)} {fate}" for fate, names in summary["dropped"].items()]
        fates = ", ".join([f"{summary['mapped']} written", *dropped])
        lines = [f"tensors: {summary['source_tensors']} in the bundle; {fates}"]
        lines += [f"note: {note}" for note in self.notes]
        lines += ["", "model = dict(", *_python(self.config["model"], 1), ")", ""]
        return [*lines, f"written: {self.path}", f"written: {configuration_path(self.path)}"]


def openmmlab_keys(depth: int, variant: str) -> dict[str, str]:
    """OpenMMLab's name of every tensor of a trunk, by this project's name in a bundle.

    Args:
        depth: 18, 34, 50, 101 or 152.
        variant: "a", "b", "c" or "d".
    """
    theirs_to_ours = resnet_table(depth, variant, OPENMMLAB_DEEP_STEM)
    return {ours: theirs for theirs, ours in theirs_to_ours.items() if ours and ours.startswith(TRUNK_PREFIX)}


def export_bundle(bundle: Bundle, style: str, path: Path, force: bool = False) -> Export:
    """Write ``path`` (``{"state_dict": ...}``, readable with ``weights_only``) and ``path.json`` beside it.

    Args:
        bundle: The classifier whose trunk is exported; its head is dropped.
        style: "mmdet" or "mmseg".
        path: The ``.pth`` to write.
        force: Replace files that are there.

    Raises:
        UserError: The network has no stock class, a file is there already, or the disk refuses.
        ProofError: A tensor has no fate, or one of the stock class no origin; nothing is written.
    """
    depth, variant = _stock_variant(bundle.architecture)
    require_free(path, force)
    ledger = _renamed(load_trunk(create_backbone(bundle.architecture), bundle), bundle, openmmlab_keys(depth, variant))
    tensors = {entry.target: bundle.tensors[entry.source] for entry in ledger.entries if entry.target}
    config, notes = stock_config(style, depth, variant, bundle.input_contract, path)
    document = {
        "format": FORMAT,
        "style": style,
        "architecture": bundle.architecture,
        "config": config,
        "notes": list(notes),
        "bundle": {"path": bundle.source, "training": bundle.training},
        "ledger": {**ledger.summary(), "entries": ledger.rows()},
    }
    # Neither file takes its place before both are whole.
    beside = configuration_path(path)
    with writing(path, "nothing was replaced"), atomic_path(path) as weights, atomic_path(beside) as configuration:
        weights.write_bytes(pickled({"state_dict": tensors}))
        write_json(configuration, {**document, "sha256": sha256_file(weights)})
    return Export(path, config, ledger, notes)


def export_file(source: Path, style: str, path: Path, force: bool = False) -> Export:
    """``export_bundle`` of a bundle's file, or of the folder of a finished run.

    Raises:
        UserError: As ``export_bundle``; also a file that is not a bundle.
    """
    return export_bundle(read_bundle(find_bundle(source, "BUNDLE")), style, path, force)


def stock_config(
    style: str, depth: int, variant: str, contract: InputContract, path: Path
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings that make the stock class compute what the bundle's trunk computes, and remarks on them.

    ``model`` is what a configuration sets; ``tweaks`` says what the class name stands for, and ``dense``, for
    mmsegmentation, gives the backbone's further settings by output stride.
    """
    tweaks = VARIANTS[variant]
    backbone: dict[str, Any] = {
        **_stock_class(style, variant),
        "depth": depth,
        "style": "pytorch" if tweaks.stride_in_3x3 else "caffe",
        # Absolute, because training may start in another folder.
        "init_cfg": {"type": "Pretrained", "checkpoint": str(path.absolute())},
    }
    model: dict[str, Any] = {
        "data_preprocessor": {
            "mean": list(contract.mean),
            "std": list(contract.std),
            "bgr_to_rgb": contract.channel_order == "RGB",  # OpenMMLab reads files as BGR
        },
        "backbone": backbone,
    }
    config: dict[str, Any] = {
        "model": model,
        "tweaks": {"deep_stem": tweaks.deep_stem, "avg_down": tweaks.pooled_shortcut},
    }
    notes = []
    if style == "mmdet" and variant == "c":
        notes.append("mmdet has no ResNetV1c; its ResNet with deep_stem=True is that network")
    if style == "mmseg":
        model["pretrained"] = None  # mmseg's base configurations set it, and it excludes init_cfg
        config["dense"] = _dense(depth, tweaks)
        notes.append(_dense_note(depth, config["dense"]))
    return config, tuple(notes)


def _stock_variant(architecture: str) -> tuple[int, str]:
    found = re.fullmatch(r"resnet(\d+)_([abcd])", architecture)
    if found is None:
        raise UserError(
            f"{architecture} cannot be exported: neither mmdet nor mmseg has this network as a stock backbone, only "
            f"ResNets have one; {_other_way(architecture)}"
        )
    return int(found[1]), found[2]


def _other_way(architecture: str) -> str:
    if architecture.startswith(TIMM_PREFIX):
        return "--style timm writes it for timm"
    return "use the bundle itself with tools/transfer_det.py or tools/transfer_seg.py"


def _renamed(ledger: Ledger, bundle: Bundle, keys: dict[str, str]) -> Ledger:
    """The ledger with OpenMMLab's names for targets."""
    written = {entry.source for entry in ledger.entries if entry.fate == MAPPED}
    if written != keys.keys():
        names = ", ".join(sorted(written ^ keys.keys())[:6])
        raise ProofError(f"{bundle.source}: the key table of {bundle.architecture} disagrees about {names}")
    return Ledger(
        tuple(
            LedgerEntry(entry.source, entry.fate, keys.get(entry.source), entry.shape, entry.dtype, entry.checksum)
            for entry in ledger.entries
        )
    )


def _stock_class(style: str, variant: str) -> dict[str, Any]:
    """Class of a variant; ``ResNet`` says what it is, because a base configuration may say otherwise."""
    if variant == "d":
        return {"type": "ResNetV1d"}
    if variant == "c" and style == "mmseg":
        return {"type": "ResNetV1c"}
    return {"type": "ResNet", "deep_stem": VARIANTS[variant].deep_stem, "avg_down": False}


def _dense(depth: int, tweaks: Tweaks) -> dict[str, dict[str, Any]]:
    """Settings for output strides 8 and 16 by name; none where the stock class computes something else.

    With the stride in the 1x1 convolution, the 3x3 reads what that one has strided already, so its dilation is the full
    one from the first block on; otherwise the first block's is half of it.
    """
    if LAYOUTS[depth][0].expansion == 1:
        return {}
    return {
        str(output_stride): {
            "strides": list(strides),
            "dilations": list(dilations),
            "contract_dilation": tweaks.stride_in_3x3,
        }
        for output_stride, (strides, dilations) in DENSE_GEOMETRY.items()
    }


def _dense_note(depth: int, dense: dict[str, dict[str, Any]]) -> str:
    if not dense:
        return (
            f"at output stride 8 or 16 mmseg's ResNet-{depth} leaves the second convolution of each block undilated: "
            "the weights load, but it is not the network that was trained; use output stride 32 or this project's trunk"
        )
    settings = ", ".join(f"{key}={value}" for key, value in dense["8"].items())
    return f"for output stride 8, add to the backbone: {settings}"


def _python(value: dict[str, Any], depth: int) -> list[str]:
    """A dictionary as the lines of a ``dict(...)`` in OpenMMLab's style."""
    indent = 4 * depth * " "
    lines = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            lines += [f"{indent}{key}=dict(", *_python(inner, depth + 1), f"{indent}),"]
        else:
            lines.append(f"{indent}{key}={literal(inner)},")
    return lines
