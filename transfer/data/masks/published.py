"""Published data sets in their own layouts: Cityscapes and COCO-Stuff."""

from __future__ import annotations

from pathlib import Path

from backbones.data.folders.part_names import part_folders
from transfer.data.masks import coco_stuff
from transfer.data.masks.coding import VALUES, VOID, Colour, MaskCoding
from transfer.data.masks.model import MaskFolder, MaskPair, Parts, values_of
from transfer.data.scenes.names import files_below
from transfer.data.scenes.scene import TEST

_CITYSCAPES = {
    **{7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light"},
    **{20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car"},
    **{27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"},
}


def recognise_published(root: Path) -> MaskFolder | None:
    """The folder as one of them, or None."""
    if (root / "leftImg8bit").is_dir() and (root / "gtFine").is_dir():
        return _cityscapes(root)
    return coco_stuff.recognise(root)


def _cityscapes(root: Path) -> MaskFolder:
    """Of the 34 values, 19 are classes of the benchmark; where files of "labelTrainIds" are, those are read."""
    parts: Parts = {}
    masks = files_below(root / "gtFine")
    ids = "labelTrainIds" if any(path.name.endswith("_labelTrainIds.png") for path in masks) else "labelIds"
    for part, folder in part_folders(root / "leftImg8bit").items():
        images = [path for path in files_below(folder) if path.name.endswith("_leftImg8bit.png")]
        pairs = []
        for image in images:
            stem = image.name.removesuffix("_leftImg8bit.png")
            place = root / "gtFine" / image.parent.relative_to(root / "leftImg8bit")
            pairs.append(MaskPair(image, place / f"{stem}_gtFine_{ids}.png"))
        if pairs and part != TEST:  # whose masks are blank
            parts[part] = pairs
    names = tuple(_CITYSCAPES.values())
    if ids == "labelTrainIds":
        return MaskFolder(root, "Cityscapes (labelTrainIds)", parts, names, values_of(len(names)))
    void: dict[int | Colour | str, int] = dict.fromkeys((*range(34), VOID), VOID)
    return MaskFolder(
        root, "Cityscapes", parts, names, MaskCoding(VALUES, {**void, **{v: n for n, v in enumerate(_CITYSCAPES)}})
    )
