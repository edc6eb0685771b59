"""COCO-Stuff's masks, in mmsegmentation's layout and in COCO's own: 171 classes, or 91 of stuff and one of all else.

https://github.com/nightrome/cocostuff. Three codings are about: ``NAME_labelTrainIds.png``, which mmsegmentation's
converter writes, with classes from 0 on; the published ``NAME.png`` with 182 values, of which 11 name no class; and
COCO's "pixelmaps", where stuff has the values 92 to 182, 183 is all else, and 0 is void. COCO-Stuff 10k
(``train2014`` and ``test2014``) is converted with 0 for void and classes from 1 on.
"""

from __future__ import annotations

from pathlib import Path

from transfer.data.masks.coding import VALUES, VOID, Colour, MaskCoding
from transfer.data.masks.model import MaskFolder, MaskPair, Parts, values_of
from transfer.data.scenes.names import files_in, is_image
from transfer.data.scenes.scene import TEST, TRAIN, VAL

_TRAIN_IDS = "_labelTrainIds"
_PARTS = {TRAIN: "train2017", VAL: "val2017", TEST: "test2017"}
_PARTS_10K = {TRAIN: "train2014", TEST: "test2014"}
_UNUSED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)  # of the 182 values
_FIRST_STUFF, _OTHER = 92, 183
_THINGS_TEXT = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv,
laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
scissors, teddy bear, hair drier, toothbrush
"""
_STUFF_TEXT = """
banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet, ceiling-other,
ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, door-stuff, fence,
floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit, furniture-other,
grass, gravel, ground-other, hill, house, leaves, light, mat, metal, mirror-stuff, moss, mountain, mud, napkin,
net, paper, pavement, pillow, plant-other, plastic, platform, playingfield, railing, railroad, river, road,
rock, roof, rug, salad, sand, sea, shelf, sky-other, skyscraper, snow, solid-other, stairs, stone, straw,
structural-other, table, tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other,
wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, window-other, wood
"""
THINGS, STUFF = (tuple(" ".join(text.split()).split(", ")) for text in (_THINGS_TEXT, _STUFF_TEXT))
CLASSES = THINGS + STUFF


def recognise(root: Path) -> MaskFolder | None:
    """The folder as COCO-Stuff, or None."""
    for years, first in ((_PARTS, 0), (_PARTS_10K, 1)):
        parts, endings = _pairs(root, years, _TRAIN_IDS)
        if parts:
            what = "COCO-Stuff in mmsegmentation's layout" + (" (10k)" if first else "")
            return MaskFolder(root, what, parts, CLASSES, _from(first) if first else values_of(len(CLASSES)))
    parts, endings = _pairs(root, _PARTS, "")
    if not parts:
        return None
    if "pixelmaps" in endings:
        return MaskFolder(root, "COCO with pixelmaps of stuff", parts, (*STUFF, "other"), _pixelmaps())
    return MaskFolder(root, "COCO-Stuff", parts, CLASSES, _published())


def _pairs(root: Path, years: dict[str, str], ending: str) -> tuple[Parts, str]:
    """Images and masks of each part whose folder has masks of that ending, and what the folder of masks is called."""
    parts: Parts = {}
    called = ""
    for part, name in years.items():
        images = next((path for path in (root / "images" / name, root / name) if path.is_dir()), None)
        masks = next((path for path in _mask_folders(root, name) if _has_masks(path, ending)), None)
        if images is not None and masks is not None:
            called = masks.name
            parts[part] = [
                MaskPair(path, masks / f"{path.stem}{ending}.png") for path in files_in(images) if is_image(path)
            ]
    return parts, called


def _mask_folders(root: Path, name: str) -> list[Path]:
    annotations = root / "annotations"
    return [
        *(annotations / name, root / "stuffthingmaps" / name),
        *(folder / f"stuff_{name}_pixelmaps" for folder in (annotations, root)),
    ]


def _has_masks(folder: Path, ending: str) -> bool:
    return folder.is_dir() and any(path.name.endswith(f"{ending}.png") for path in files_in(folder))


def _from(first: int) -> MaskCoding:
    labels: dict[int | Colour | str, int] = {first + place: place for place in range(len(CLASSES))}
    return MaskCoding(VALUES, {**labels, **dict.fromkeys(range(first), VOID), VOID: VOID})


def _published() -> MaskCoding:
    used = [value for value in range(182) if value not in _UNUSED]
    return MaskCoding(VALUES, {**{value: place for place, value in enumerate(used)}, VOID: VOID})


def _pixelmaps() -> MaskCoding:
    return MaskCoding(VALUES, {**{value: value - _FIRST_STUFF for value in range(_FIRST_STUFF, _OTHER + 1)}, 0: VOID})
