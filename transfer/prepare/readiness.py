"""What the shipped protocols will do with a folder: train on it, or miss something in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backbones.cli.shell import shell_word
from transfer.data.masks.model import MaskFolder
from transfer.data.scenes.parts import Divided
from transfer.data.scenes.scene import TEST, TRAIN, VAL, WHOLE, SceneFolder
from transfer.prepare.layouts import Layout, years

_VOC07 = ("VOC2007/ImageSets/Main/trainval.txt", "VOC2007/ImageSets/Main/test.txt")
_VOC0712 = (*_VOC07, "VOC2012/ImageSets/Main/trainval.txt")
_ADE20K = tuple(f"{kind}/{split}" for split in ("training", "validation") for kind in ("images", "annotations"))
_INDEX_PNG = ("images", "annotations", "train.txt", "val.txt")

# What each command or protocol reads, below --data; a test holds the protocols' to their files.
NEEDS: dict[Layout, dict[str, tuple[str, ...]]] = {
    Layout.IMAGE_FOLDER: {"tools/train_cls.py": ("train", "val")},
    Layout.IMAGE_TABLE: {"tools/train_cls.py": ()},
    Layout.DEVKIT: {
        "det_configs/faster_rcnn_c4_voc07.py": _VOC07,
        "det_configs/faster_rcnn_c4_voc0712.py": _VOC0712,
        "det_configs/faster_rcnn_fpn_adamw_voc07.py": _VOC07,
        "det_configs/faster_rcnn_fpn_adamw_voc0712.py": _VOC0712,
        "det_configs/faster_rcnn_fpn_demo.py": _VOC07,
        "det_configs/faster_rcnn_fpn_narrow_voc07.py": _VOC07,
        "det_configs/faster_rcnn_fpn_voc07.py": _VOC07,
        "det_configs/faster_rcnn_fpn_voc0712.py": _VOC0712,
        "det_configs/faster_rcnn_simple_fpn_voc07.py": _VOC07,
        "det_configs/faster_rcnn_simple_fpn_voc0712.py": _VOC0712,
    },
    Layout.SCENES: {"det_configs/faster_rcnn_fpn_coco.py": ()},
    Layout.MASKS: {},  # those of the two below
    Layout.ADE20K: {
        "seg_configs/fcn_os8_ade20k.py": _ADE20K,
        "seg_configs/fcn_os8_demo.py": _ADE20K,
        "seg_configs/linear_ade20k.py": _ADE20K,
        "seg_configs/upernet_adamw_ade20k.py": _ADE20K,
        "seg_configs/upernet_ade20k.py": _ADE20K,
        "seg_configs/upernet_simple_fpn_ade20k.py": _ADE20K,
    },
    Layout.INDEX_PNG: {
        "seg_configs/fcn_os8_index_png.py": _INDEX_PNG,
        "seg_configs/linear_index_png.py": _INDEX_PNG,
        "seg_configs/upernet_adamw_index_png.py": _INDEX_PNG,
        "seg_configs/upernet_index_png.py": _INDEX_PNG,
        "seg_configs/upernet_simple_fpn_index_png.py": _INDEX_PNG,
    },
}


def ready_for_scenes(folder: SceneFolder) -> tuple[list[str], list[str]]:
    """The same of a folder in a format of boxes, which every protocol of detection reads."""
    return _ready_to_train([*NEEDS[Layout.SCENES], *NEEDS[Layout.DEVKIT]], folder)


def ready_for_masks(folder: MaskFolder) -> tuple[list[str], list[str]]:
    """The same of a folder of masks in another layout, which every protocol of segmentation reads."""
    return _ready_to_train([*NEEDS[Layout.INDEX_PNG], *NEEDS[Layout.ADE20K]], folder)


def _ready_to_train(protocols: list[str], folder: Divided) -> tuple[list[str], list[str]]:
    if set(folder.parts) & {TRAIN, WHOLE}:
        return protocols, []
    return [], [f"not for {', '.join(protocols)}: there is {' and '.join(folder.parts)}, and no part to train on"]


def options_for(folder: Divided) -> str:
    """What a training on the folder needs besides its name."""
    return "" if {VAL, TEST} & set(folder.parts) else "--split 0.2"


def command_for(root: Path, ready: Sequence[str], options: str = "") -> str:
    """A command that trains on a folder, for people to complete; empty where nothing does."""
    if not ready:
        return ""
    data = " ".join(["--data", shell_word(str(root)), *([options] if options else [])])
    first = ready[0]
    if first.startswith("tools/"):
        return f"python {first} {data} --network resnet50_d --recipe d-smooth --out RUN"
    tool = "tools/transfer_det.py" if first.startswith("det_configs/") else "tools/transfer_seg.py"
    return f"python {tool} {first} --backbone RUN/backbone.safetensors {data} --out RUN_ON_IT"


def ready_for(root: Path, layout: Layout) -> tuple[list[str], list[str]]:
    """Protocols that find in ``root`` all that they read, and a line for those that do not, which says what they miss.

    Whether what is there is sound is not looked at.
    """
    ready = []
    missing: dict[tuple[str, ...], list[str]] = {}
    for protocol, needs in NEEDS[layout].items():
        lacks = tuple(need for need in needs if not (root / need).exists())
        if lacks:
            missing.setdefault(lacks, []).append(protocol)
        else:
            ready.append(protocol)
    hint = _other_names(root) if layout is Layout.DEVKIT and not ready else ""
    lines = [f"not for {', '.join(protocols)}: {_is_missing(lacks)}{hint}" for lacks, protocols in missing.items()]
    return ready, lines


def _is_missing(lacks: tuple[str, ...]) -> str:
    return f"{', '.join(lacks)} {'are' if len(lacks) > 1 else 'is'} missing"


def _other_names(devkit: Path) -> str:
    """What a devkit has instead, as words to follow: lists and years that only want another name."""
    found = years(devkit)
    lists = {year: sorted(path.stem for path in (devkit / year / "ImageSets" / "Main").glob("*.txt")) for year in found}
    there = ", ".join(f"{year} with {', '.join(lists[year]) or 'no list'}" for year in found)
    hints = []
    if "VOC2007" not in found:
        hints.append(f"name the folder VOC2007 (such as {found[0]})")
    if any({"train", "val"} <= set(names) and "trainval" not in names for names in lists.values()):
        hints.append("copy train.txt to trainval.txt and val.txt to test.txt to train on the one and test on the other")
    return f" (there is {there}{''.join(f'; {hint}' for hint in hints)})"
