"""A folder of images with masks, and the layouts that are known besides ADE20K's and index PNGs' own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backbones.errors import UserError
from transfer.data.class_names import OWN_NAMES, read_classes
from transfer.data.masks.coding import OUTLINES, VALUES, VOID, Colour, MaskCoding, read_mask
from transfer.data.masks.colour_table import FILES, VALUE_FILE, VOID_NAMES, read_colours, read_values
from transfer.data.scenes.formats import labelme
from transfer.data.scenes.names import PART_WORDS, files_below, files_in, is_image, part_folders
from transfer.data.scenes.scene import TEST, TRAIN, VAL
from transfer.data.text_file import read_lines

__all__ = ["MaskFolder", "MaskPair", "read_mask", "recognise_masks"]

_MASK_FOLDERS = ("masks", "annotations", "labels", "mask", "label", "SegmentationClass")
_IMAGE_FOLDERS = ("images", "imgs", "JPEGImages")
_ANNOTATED = ("annot", "_labels", "_masks", "_annotations")  # behind the name of a part's folder of images
_ENDINGS = ("", "_mask", "_L", "_label", "_labels")  # of a mask's name behind its image's
CAMVID = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian"),
    "bicyclist",
)
_CITYSCAPES = {
    **{7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light"},
    **{20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car"},
    **{27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"},
}


class MaskPair(NamedTuple):
    """An image and its mask."""

    image: Path
    mask: Path


@dataclass(frozen=True)
class MaskFolder:
    """A folder in a known layout: in words that follow "is", its parts, its classes, and what its pixels mean."""

    root: Path
    what: str
    parts: Mapping[str, list[MaskPair]]
    classes: tuple[str, ...]
    coding: MaskCoding

    @property
    def measured(self) -> str:
        """The part to measure on."""
        return VAL if VAL in self.parts or TEST not in self.parts else TEST


def recognise_masks(root: Path) -> MaskFolder | None:
    """The folder in the first layout that it has the marks of; None for those that ``index_png`` reads, and all others.

    Raises:
        UserError: It has a layout's marks, and nothing says what its pixels mean; or a table of colours is wrong.
    """
    if not root.is_dir():
        return None
    if (root / "leftImg8bit").is_dir() and (root / "gtFine").is_dir():
        return _cityscapes(root)
    if labelme.recognise(root) is not None:
        return _outlines(root)
    parts = _beside(root) or _annotated(root) or _two_folders(root)
    return _with_table(root, parts) if parts else None


def _with_table(root: Path, parts: dict[str, list[MaskPair]]) -> MaskFolder:
    """What the pixels mean: by a table of colours or values, else by ``classes.txt``, else as CamVid."""
    for name in FILES:
        if (root / name).is_file():
            classes, coding = read_colours(root / name)
            return MaskFolder(root, f"images with masks in the colours of {name}", parts, classes, coding)
    value_file = next(
        (root / name / VALUE_FILE for name in ("train", ".") if (root / name / VALUE_FILE).is_file()), None
    )
    if value_file:
        classes, coding = read_values(value_file)
        return MaskFolder(root, "images with masks beside them, as Roboflow exports them", parts, classes, coding)
    if (root / OWN_NAMES).is_file():
        classes = read_classes(root / OWN_NAMES)
        return MaskFolder(root, "images and masks of values", parts, classes, values_of(len(classes)))
    if (root / "trainannot").is_dir():
        coding = MaskCoding(VALUES, {**values_of(len(CAMVID)).labels, len(CAMVID): VOID})
        return MaskFolder(root, "CamVid", parts, CAMVID, coding)
    raise UserError(
        f"{root} holds images and masks, and nothing says what a mask's pixels mean; write {root / OWN_NAMES} (a name "
        f"per line, value 0 first) or {root / FILES[0]} (NAME R G B per line)"
    )


def values_of(count: int) -> MaskCoding:
    """A value for each class from 0 on, and 255 for void."""
    labels: dict[int | Colour | str, int] = {value: value for value in range(count)}
    return MaskCoding(VALUES, {**labels, VOID: VOID})


def _cityscapes(root: Path) -> MaskFolder:
    """Of the 34 values, 19 are classes of the benchmark; where files of "labelTrainIds" are, those are read."""
    parts: dict[str, list[MaskPair]] = {}
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


def _outlines(root: Path) -> MaskFolder | None:
    """labelme's JSON, drawn: where ``classes.txt`` names a background, what no outline holds is that."""
    folders = {**part_folders(root)}
    parts: dict[str, list[MaskPair]] = {}
    for part, folder in folders.items():
        images = {path.stem: path for path in files_in(folder) if is_image(path)}
        described = [path for path in files_in(folder) if path.suffix.lower() == ".json"]
        if described:
            parts[part] = [MaskPair(images.get(path.stem, path.with_suffix(".jpg")), path) for path in described]
    if TRAIN not in parts:
        raise UserError(f"{root} has labelme's JSON, and no folders train and val; divide it into them")
    if not (root / OWN_NAMES).is_file():
        raise UserError(f"{root} has labelme's JSON; write {root / OWN_NAMES}, a class per line, to draw masks of it")
    names = read_classes(root / OWN_NAMES)
    labels: dict[int | Colour | str, int] = {name: place for place, name in enumerate(names)}
    labels |= {name: VOID for name in VOID_NAMES if name not in labels}
    coding = MaskCoding(OUTLINES, labels, int(labels.get("background", VOID)))
    return MaskFolder(root, "images with labelme's JSON beside them", parts, names, coding)


def _beside(root: Path) -> dict[str, list[MaskPair]]:
    """Masks called ``NAME_mask.png`` beside the images of each part."""
    found = {}
    for part, folder in part_folders(root).items():
        files = files_in(folder)
        masks = {path.stem.removesuffix("_mask"): path for path in files if path.stem.endswith("_mask")}
        images = [path for path in files if is_image(path) and not path.stem.endswith("_mask")]
        if masks:
            found[part] = [MaskPair(path, masks.get(path.stem, folder / f"{path.stem}_mask.png")) for path in images]
    return found


def _annotated(root: Path) -> dict[str, list[MaskPair]]:
    """CamVid's ``train`` and ``trainannot``, and their like."""
    found = {}
    for part, folder in part_folders(root).items():
        masks = next((root / (folder.name + end) for end in _ANNOTATED if (root / (folder.name + end)).is_dir()), None)
        if masks is not None:
            found[part] = _paired(folder, masks)
    return found


def _two_folders(root: Path) -> dict[str, list[MaskPair]]:
    """Images and masks in two folders, in parts by folders within or by lists."""
    images = next((root / name for name in _IMAGE_FOLDERS if (root / name).is_dir()), None)
    masks = next((root / name for name in _MASK_FOLDERS if (root / name).is_dir() and _has_masks(root / name)), None)
    if images is None or masks is None or _is_index_png(root, images, masks):
        return {}
    if masks.name == "SegmentationClass" and not any((root / name).is_file() for name in (*FILES, OWN_NAMES)):
        return {}  # a year of a VOCdevkit, whose masks no protocol is for
    below = part_folders(images)
    if below:
        return {part: _paired(folder, masks / folder.name) for part, folder in below.items()}
    pairs = {pair.image.stem: pair for pair in _paired(images, masks)}
    lists = {}
    for part in PART_WORDS:
        for path in (root / f"{part}.txt", root / "ImageSets" / "Segmentation" / f"{part}.txt"):
            if path.is_file():
                lists[part] = [
                    pairs.get(Path(name).stem) or _lost(path, name) for name in read_lines(path, "names") if name
                ]
    if TRAIN not in lists or len(lists) < 2:
        raise UserError(
            f"{root} holds images and masks in two folders, undivided; write {root / 'train.txt'} and "
            f"{root / 'val.txt'}, a name per line"
        )
    return lists


def _has_masks(folder: Path) -> bool:
    return any(path.suffix.lower() in (".png", ".bmp", ".tif", ".tiff") for path in files_below(folder))


def _is_index_png(root: Path, images: Path, masks: Path) -> bool:
    """The layouts that ``transfer.data.index_png`` reads, by the same protocols as ever."""
    if (images.name, masks.name) != ("images", "annotations"):
        return False
    if any((images / name).is_dir() for name in ("training", "validation")):
        return True
    colours = any((root / name).is_file() for name in FILES)
    jpg = any(path.suffix == ".jpg" for path in files_in(images)[:500])
    return (jpg or not files_in(images)) and not colours and not part_folders(images)


def _lost(path: Path, name: str) -> MaskPair:
    raise UserError(f"{path} names {name[:80]!r}, which is no image here; add it or drop the line")


def _paired(images: Path, masks: Path) -> list[MaskPair]:
    """Each image with the mask of its name, whatever the mask's ending; one without is a fault of the check."""
    stems = {path.relative_to(masks).with_suffix("").as_posix(): path for path in files_below(masks) if is_image(path)}
    pairs = []
    for image in (path for path in files_below(images) if is_image(path)):
        stem = image.relative_to(images).with_suffix("").as_posix()
        found = next((stems[stem + end] for end in _ENDINGS if stem + end in stems), masks / f"{stem}.png")
        pairs.append(MaskPair(image, found))
    return pairs
