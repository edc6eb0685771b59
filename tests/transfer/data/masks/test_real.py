"""Real photographs with masks, in other layouts, have the pixels that they have as index PNGs."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbones.data.folders.drawing_lots import HeldOut
from transfer.data.class_names import read_classes
from transfer.data.index_png import check_index_png
from transfer.data.masks.check import check_masks
from transfer.data.masks.folder import MaskFolder, recognise_masks

pytestmark = pytest.mark.realdata
IMAGES = 24


@pytest.fixture
def own(stanford_background: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two dozen images of the Stanford Background data set as it is, a third of them to measure on."""
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "own"
    names = (stanford_background / "train.txt").read_text().split()[:IMAGES]
    for folder, suffix in (("images", "jpg"), ("annotations", "png")):
        (root / folder).mkdir(parents=True)
        for name in names:
            shutil.copy(stanford_background / folder / f"{name}.{suffix}", root / folder)
    shutil.copy(stanford_background / "classes.txt", root)
    (root / "train.txt").write_text("\n".join(names[IMAGES // 3 :]))
    (root / "val.txt").write_text("\n".join(names[: IMAGES // 3]))
    return root


def pixels(own: Path) -> dict[str, Counter[str]]:
    classes = read_classes(own / "classes.txt")
    return {
        part: Counter(check_index_png(own, "images", "annotations", classes, f"{part}.txt", False).pixels)
        for part in ("train", "val")
    }


def taken(root: Path, **options: bool) -> MaskFolder:
    found = recognise_masks(root, **options)
    assert found is not None
    return found


def test_stanford_in_colours_and_in_folders_of_parts(own: Path, tmp_path: Path) -> None:
    classes, root = read_classes(own / "classes.txt"), tmp_path / "colours"
    table = np.random.default_rng(0).permutation(256**3)[: len(classes) + 1]
    colours = np.stack([table >> 16, table >> 8 & 255, table & 255], axis=1).astype(np.uint8)
    for part in ("train", "val"):
        for name in (own / f"{part}.txt").read_text().split():
            for folder in ("images", "masks"):
                (root / folder / part).mkdir(parents=True, exist_ok=True)
            with Image.open(own / "images" / f"{name}.jpg") as image:
                image.save(root / "images" / part / f"{name}.tiff")
            with Image.open(own / "annotations" / f"{name}.png") as mask:
                labels = np.minimum(np.asarray(mask), len(classes))
            Image.fromarray(colours[labels]).save(root / "masks" / part / f"{name}.png")
    lines = [f"{name} {r} {g} {b}" for name, (r, g, b) in zip((*classes, "void"), colours.tolist(), strict=True)]
    (root / "colors.txt").write_text("\n".join(lines))
    found = taken(root)
    assert found.classes == classes
    assert {part: Counter(check_masks(found, part).pixels) for part in ("train", "val")} == pixels(own)


def test_stanford_without_lists_is_divided_class_by_class(own: Path) -> None:
    whole = sum(pixels(own).values(), Counter())
    (own / "train.txt").unlink()
    (own / "val.txt").unlink()
    found = taken(own, index_pngs=True)
    train, val = (check_masks(found, part, HeldOut(0.25, 0)) for part in ("train", "val"))
    assert (train.images, val.images) == (18, 6)
    assert Counter(train.pixels) + Counter(val.pixels) == whole
