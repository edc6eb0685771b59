"""What a folder of images with masks is: its layout, its classes, and what its pixels mean."""

from __future__ import annotations

from pathlib import Path

from backbones.data.folders.part_names import part_folders
from backbones.errors import UserError
from transfer.data.class_names import OWN_NAMES, read_classes
from transfer.data.masks.coding import OUTLINES, VALUES, VOID, Colour, MaskCoding
from transfer.data.masks.colour_table import FILES, VALUE_FILE, VOID_NAMES, read_colours, read_values
from transfer.data.masks.model import MaskFolder, MaskPair, Parts, values_of
from transfer.data.masks.pairing import find_pairs
from transfer.data.masks.published import recognise_published
from transfer.data.scenes.formats import labelme
from transfer.data.scenes.names import files_in, is_image
from transfer.data.scenes.scene import WHOLE

__all__ = ["CAMVID", "MaskFolder", "MaskPair", "recognise_masks"]

CAMVID = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian"),
    "bicyclist",
)


def recognise_masks(root: Path, index_pngs: bool = False) -> MaskFolder | None:
    """The folder in the first layout that it has the marks of; None for those that ``index_png`` reads, and all others.

    Args:
        root: The folder.
        index_pngs: Take index PNGs in ``images`` and ``annotations``, which ``index_png`` reads, for masks, too.

    Raises:
        UserError: It has a layout's marks, and nothing says what its pixels mean; or a table of colours is wrong.
    """
    if not root.is_dir():
        return None
    if (published := recognise_published(root)) is not None:
        return published
    if labelme.recognise(root) is not None:
        return _outlines(root)
    parts = find_pairs(root, index_pngs)
    return _with_table(root, parts) if parts else None


def _with_table(root: Path, parts: Parts) -> MaskFolder:
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


def _outlines(root: Path) -> MaskFolder | None:
    """labelme's JSON, drawn: where ``classes.txt`` names a background, what no outline holds is that."""
    parts: Parts = {}
    for part, folder in (part_folders(root) or {WHOLE: root}).items():
        images = {path.stem: path for path in files_in(folder) if is_image(path)}
        described = [path for path in files_in(folder) if path.suffix.lower() == ".json"]
        if described:
            parts[part] = [MaskPair(images.get(path.stem, path.with_suffix(".jpg")), path) for path in described]
    if not (root / OWN_NAMES).is_file():
        raise UserError(f"{root} has labelme's JSON; write {root / OWN_NAMES}, a class per line, to draw masks of it")
    names = read_classes(root / OWN_NAMES)
    labels: dict[int | Colour | str, int] = {name: place for place, name in enumerate(names)}
    labels |= {name: VOID for name in VOID_NAMES if name not in labels}
    coding = MaskCoding(OUTLINES, labels, int(labels.get("background", VOID)))
    return MaskFolder(root, "images with labelme's JSON beside them", parts, names, coding)
