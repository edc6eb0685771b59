"""Which mask belongs to which image, and which part each pair is of."""

from __future__ import annotations

from pathlib import Path

from backbones.data.folders.part_names import PART_WORDS, part_folders
from backbones.errors import UserError
from transfer.data.class_names import OWN_NAMES
from transfer.data.masks.colour_table import FILES
from transfer.data.masks.model import MaskPair, Parts
from transfer.data.scenes.names import files_below, files_in, is_image
from transfer.data.scenes.scene import WHOLE
from transfer.data.text_file import read_lines

_MASK_FOLDERS = ("masks", "annotations", "labels", "mask", "label", "SegmentationClass", "LabeledApproved_full")
_IMAGE_FOLDERS = ("images", "imgs", "JPEGImages", "701_StillsRaw_full")  # the last are CamVid's as published
_ANNOTATED = ("annot", "_labels", "_masks", "_annotations")  # behind the name of a part's folder of images
_ENDINGS = ("", "_mask", "_L", "_label", "_labels")  # of a mask's name behind its image's


def find_pairs(root: Path, index_pngs: bool = False) -> Parts:
    """Images with their masks by part, in the first arrangement that the folder has; nothing where it has none.

    Args:
        root: The folder.
        index_pngs: Take what ``transfer.data.index_png`` reads, too.

    Raises:
        UserError: A list names an image that is not there.
    """
    return _beside(root) or _annotated(root) or _two_folders(root, index_pngs)


def _beside(root: Path) -> Parts:
    """Masks called ``NAME_mask.png`` beside the images of each part."""
    found = {}
    for part, folder in (part_folders(root) or {WHOLE: root}).items():
        files = files_in(folder)
        masks = {path.stem.removesuffix("_mask"): path for path in files if path.stem.endswith("_mask")}
        images = [path for path in files if is_image(path) and not path.stem.endswith("_mask")]
        if masks:
            found[part] = [MaskPair(path, masks.get(path.stem, folder / f"{path.stem}_mask.png")) for path in images]
    return found


def _annotated(root: Path) -> Parts:
    """CamVid's ``train`` and ``trainannot``, and their like."""
    found = {}
    for part, folder in part_folders(root).items():
        masks = next((root / (folder.name + end) for end in _ANNOTATED if (root / (folder.name + end)).is_dir()), None)
        if masks is not None:
            found[part] = _paired(folder, masks)
    return found


def _two_folders(root: Path, index_pngs: bool) -> Parts:
    """Images and masks in two folders, in parts by folders within or by lists."""
    images = next((root / name for name in _IMAGE_FOLDERS if (root / name).is_dir()), None)
    masks = next((root / name for name in _MASK_FOLDERS if (root / name).is_dir() and _has_masks(root / name)), None)
    if images is None or masks is None or _is_ade20k(images, masks):
        return {}
    if not index_pngs and _is_index_png(root, images, masks):
        return {}
    if masks.name == "SegmentationClass" and not any((root / name).is_file() for name in (*FILES, OWN_NAMES)):
        return {}  # a year of a VOCdevkit, whose masks no protocol is for
    below = part_folders(images)
    if below:
        return {part: _paired(folder, masks / folder.name) for part, folder in below.items()}
    pairs = _paired(images, masks)
    named = _by_name(images, pairs)
    lists: Parts = {}
    for part in PART_WORDS:
        for path in (root / f"{part}.txt", root / "ImageSets" / "Segmentation" / f"{part}.txt"):
            if path.is_file():
                lists[part] = [_listed(path, name, named) for name in read_lines(path, "names") if name]
    return lists or {WHOLE: pairs}


def _by_name(images: Path, pairs: list[MaskPair]) -> dict[str, list[MaskPair]]:
    """Pairs by what a list may call them: path or name of the image, with its suffix or without."""
    named: dict[str, list[MaskPair]] = {}
    for pair in pairs:
        path = pair.image.relative_to(images)
        for name in {path.as_posix(), path.with_suffix("").as_posix(), path.name, path.stem}:
            named.setdefault(name, []).append(pair)
    return named


def _listed(path: Path, name: str, named: dict[str, list[MaskPair]]) -> MaskPair:
    found = named.get(name) or named.get(Path(name).name) or named.get(Path(name).stem) or []
    if len(found) != 1:
        what = "is several images here; write its path" if found else "is no image here; add it or drop the line"
        raise UserError(f"{path} names {name[:80]!r}, which {what}")
    return found[0]


def _has_masks(folder: Path) -> bool:
    return any(path.suffix.lower() in (".png", ".bmp", ".tif", ".tiff") for path in files_below(folder))


def _is_ade20k(images: Path, masks: Path) -> bool:
    """ADE20K's layout, in which 0 names no class and the first class is 1."""
    return _published_names(images, masks) and any((images / name).is_dir() for name in ("training", "validation"))


def _is_index_png(root: Path, images: Path, masks: Path) -> bool:
    """The user's own that ``transfer.data.index_png`` reads, by the same protocols as ever."""
    if not _published_names(images, masks):
        return False
    colours = any((root / name).is_file() for name in FILES)
    jpg = any(path.suffix == ".jpg" for path in files_in(images)[:500])
    return (jpg or not files_in(images)) and not colours and not part_folders(images)


def _published_names(images: Path, masks: Path) -> bool:
    return (images.name, masks.name) == ("images", "annotations")


def _paired(images: Path, masks: Path) -> list[MaskPair]:
    """Each image with the mask of its name, whatever the mask's ending; one without is a fault of the check."""
    stems = {path.relative_to(masks).with_suffix("").as_posix(): path for path in files_below(masks) if is_image(path)}
    pairs = []
    for image in (path for path in files_below(images) if is_image(path)):
        stem = image.relative_to(images).with_suffix("").as_posix()
        found = next((stems[stem + end] for end in _ENDINGS if stem + end in stems), masks / f"{stem}.png")
        pairs.append(MaskPair(image, found))
    return pairs
