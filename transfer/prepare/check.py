"""Run the checks that training makes, one split after the other, and collect what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from backbones.data.image_folder import ImageSplit, open_image_folder, verify_images
from backbones.errors import UserError
from transfer.data.absent_classes import absent_classes
from transfer.data.class_names import OWN_NAMES, choose_classes
from transfer.data.index_png import IndexPngSummary, check_index_png
from transfer.data.voc import VOC_CLASSES, VocSummary, check_voc
from transfer.prepare.layouts import Layout, recognise, years
from transfer.prepare.report import Report, Split
from transfer.prepare.sources import BENCHMARKS, IMAGENET

_PUBLISHED = {name: count for benchmark in BENCHMARKS.values() for name, count in benchmark.images.items()}


def check_folder(root: Path, classes: Path | None = None, only: Sequence[str] | None = None) -> Report:
    """Check each split of ``root``, whichever of the four layouts it has.

    ``classes`` is a file of class names; without it, ``classes.txt`` in ``root`` counts, else the benchmark's own
    names, as in training. ``only`` names years of a VOCdevkit, all by default. The checks stop at the first fault of a
    split; sound splits are remembered, so that training on them begins at once.

    Raises:
        UserError: The folder has none of the layouts, or there are no class names. All else is in the report.
    """
    layout = recognise(root)
    report = Report(str(root), layout.value)
    if layout is Layout.IMAGE_FOLDER:
        if classes is not None:
            raise UserError("--classes is of no use here: the classes of an ImageFolder are its folders; leave it out")
        _check_image_folder(report, root)
    elif layout is Layout.DEVKIT:
        names = choose_classes(root, classes, lambda: VOC_CLASSES)
        _check_devkit(report, root, names, years(root) if only is None else only)
    elif layout is Layout.ADE20K:
        _check_ade20k(report, root, choose_classes(root, classes, _ade20k_classes))
    else:
        _check_own(report, root, choose_classes(root, classes, None))
    own_names = classes is not None or (root / OWN_NAMES).exists()
    _add_remarks(report, {} if own_names else _PUBLISHED)
    return report


def _check_image_folder(report: Report, root: Path) -> None:
    try:
        folder = open_image_folder(root)
        report.splits += [_count_images(split, folder.classes) for split in (folder.train, folder.val)]
        verify_images(folder)
    except UserError as error:
        report.faults.append(str(error))


def _count_images(split: ImageSplit, classes: Sequence[str]) -> Split:
    counts = np.bincount(split.labels, minlength=len(classes)).tolist()
    return Split(split.root.name, len(split), "images", dict(zip(classes, counts, strict=True)))


def _check_devkit(report: Report, root: Path, classes: Sequence[str], chosen: Sequence[str]) -> None:
    for year in chosen:
        for split in _splits_of(root / year):
            _collect(report, partial(_devkit_split, root, year, split, classes))
    if not any((root / year / "ImageSets" / "Main" / "test.txt").exists() for year in years(root)):
        report.remarks.append("no year has a list of test images (ImageSets/Main/test.txt), which the protocols want")


def _splits_of(year: Path) -> list[str]:
    there = [
        name for name in ("trainval", "train", "val", "test") if (year / "ImageSets" / "Main" / f"{name}.txt").exists()
    ]
    if "trainval" in there or not there:
        # trainval is train and val. Without any list, its absence is what the check complains of.
        there = ["trainval", *(name for name in there if name == "test")]
    if year.name == "VOC2012":  # the annotations of its test split were never published
        there = [name for name in there if name != "test"]
    return there


def _devkit_split(root: Path, year: str, split: str, classes: Sequence[str]) -> Split:
    found: VocSummary = check_voc(root, [(year, split)], classes)
    details = {
        "objects": sum(found.objects.values()),
        "of them difficult": sum(found.difficult.values()),
        "images without objects": found.images_without_objects,
    }
    return Split(f"{year}/{split}", found.images, "objects", found.objects, details)


def _check_ade20k(report: Report, root: Path, classes: Sequence[str]) -> None:
    for split in ("training", "validation"):

        def check(split: str = split) -> Split:
            return _png_split(split, check_index_png(root, f"images/{split}", f"annotations/{split}", classes))

        _collect(report, check)


def _check_own(report: Report, root: Path, classes: Sequence[str]) -> None:
    for split in ("train", "val"):

        def check(split: str = split) -> Split:
            found = check_index_png(
                root, "images", "annotations", classes, split_file=f"{split}.txt", reduce_zero_label=False
            )
            return _png_split(split, found)

        _collect(report, check)


def _png_split(name: str, found: IndexPngSummary) -> Split:
    details = {"percent of pixels unlabelled": round(100 * found.unlabelled_share, 2)}
    return Split(name, found.images, "pixels", found.pixels, details)


def _collect(report: Report, check: Callable[[], Split]) -> None:
    try:
        report.splits.append(check())
    except UserError as error:
        report.faults.append(str(error))


def _ade20k_classes() -> tuple[str, ...]:
    from transfer.data.class_names import ade20k_classes
    from transfer.openmmlab import ops_bridge

    ops_bridge.install()  # before mmseg, which cannot be imported without mmcv's ops
    return ade20k_classes()


def _add_remarks(report: Report, published: Mapping[str, int]) -> None:
    is_image_folder = report.layout == Layout.IMAGE_FOLDER.value
    if is_image_folder and report.splits and len(report.splits[0].per_class) == IMAGENET.classes:
        published = {"train": IMAGENET.train_images, "val": IMAGENET.val_images}
    for split in report.splits:
        report.remarks += absent_classes(split.name, split.unit, split.per_class)
        if published.get(split.name, split.images) != split.images:
            report.remarks.append(f"{split.name} has {split.images} of the {published[split.name]} published images")
