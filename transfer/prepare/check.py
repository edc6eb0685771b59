"""Run the checks that training makes, one split after the other, and collect what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path

from backbones.data.folders.folder_parts import listed_images
from backbones.data.folders.image_folder import verify_splits
from backbones.data.folders.recognition import recognise_labelled
from backbones.data.folders.shared_images import REMEDY, SplitImages, describe_shared, shared_images
from backbones.errors import MachineError, UserError, not_none
from transfer.data.absent_classes import absent_classes
from transfer.data.class_names import OWN_NAMES, choose_classes
from transfer.data.faults import texts
from transfer.data.masks.folder import recognise_masks
from transfer.data.masks.published import recognise_published
from transfer.data.scenes.formats.known import recognise_scenes
from transfer.data.scenes.formats.voc_xml import recognise_devkit
from transfer.data.scenes.index import indexed
from transfer.data.scenes.parts import Divided
from transfer.data.voc import VOC_CLASSES
from transfer.prepare.layouts import Layout, recognise, without_measured_list, years
from transfer.prepare.readiness import NEEDS, command_for, options_for, ready_for, ready_for_masks, ready_for_scenes
from transfer.prepare.report import Report
from transfer.prepare.sources import BENCHMARKS, IMAGENET
from transfer.prepare.splits import (
    SplitCheck,
    ade20k_splits,
    devkit_splits,
    index_png_splits,
    labelled_splits,
    mask_splits,
    scene_splits,
)

# By names of splits that no other data have; COCO's are called "train" and "val".
_PUBLISHED = {
    name: count
    for benchmark in BENCHMARKS.values()
    if benchmark.name != "coco"
    for name, count in benchmark.images.items()
}


def check_folder(
    root: Path,
    classes: Path | None = None,
    only: Sequence[str] | None = None,
    allow_shared_images: bool = False,
    image_suffix: str | None = None,
) -> Report:
    """Check each split of ``root``, whichever layout it has.

    ``classes`` is a file of class names; without it, ``classes.txt`` in ``root`` counts, else the benchmark's own
    names, as in training. ``only`` names years of a VOCdevkit, all by default. Images that are trained on and tested on
    are a fault, with ``allow_shared_images`` a remark. Sound splits are remembered, so that training on them begins at
    once; of others, the files that are good. ``image_suffix`` is that of the images beside label maps (".jpg").

    Raises:
        UserError: The folder has none of the layouts, or there are no class names. All else is in the report.
    """
    layout = recognise(root)
    report = Report(str(root), layout.value)
    if image_suffix is not None and layout not in (Layout.ADE20K, Layout.INDEX_PNG):
        raise UserError(f"--image-suffix is of no use here: {root} has no label maps; leave it out")
    suffix = image_suffix or ".jpg"
    if layout is Layout.SCENES:
        return _check_scenes(root, classes, allow_shared_images)
    if layout is Layout.MASKS or (layout is Layout.INDEX_PNG and image_suffix is None and recognise_masks(root)):
        return _check_masks(root, classes, allow_shared_images)
    if layout is Layout.INDEX_PNG and classes is None and (root / OWN_NAMES).is_file() and without_measured_list(root):
        return _check_masks(root, None, allow_shared_images)
    if layout in (Layout.IMAGE_FOLDER, Layout.IMAGE_TABLE):
        return _check_labelled(root, classes, allow_shared_images)
    if layout is Layout.DEVKIT:
        names = choose_classes(root, classes, lambda: VOC_CLASSES)
        checks = devkit_splits(root, names, years(root) if only is None else only)
        if not any((root / year / "ImageSets" / "Main" / "test.txt").exists() for year in years(root)):
            report.remarks.append(
                "no year has a list of test images (ImageSets/Main/test.txt), which the protocols want"
            )
    elif layout is Layout.ADE20K:
        checks = ade20k_splits(root, choose_classes(root, classes, _ade20k_classes), suffix)
    else:
        checks = index_png_splits(root, choose_classes(root, classes, None), suffix)
    _count(report, checks)
    _compare(report, checks, allow_shared_images)
    own_names = classes is not None or (root / OWN_NAMES).exists()
    _add_remarks(report, {} if own_names else _PUBLISHED)
    devkit = recognise_devkit(root) if layout is Layout.DEVKIT and not report.faults else None
    if devkit is not None and options_for(devkit):
        return _with_protocols(report, devkit, ready_for_scenes(devkit))
    ready, report.not_ready = ready_for(root, layout)
    report.ready = [] if report.faults else ready
    report.command = command_for(root, report.ready)
    return report


def _check_scenes(root: Path, classes: Path | None, allow_shared_images: bool) -> Report:
    """Each part of a folder in a format of boxes."""
    folder = not_none(recognise_scenes(root))
    report = Report(str(root), folder.what)
    checks = scene_splits(folder, choose_classes(root, classes, lambda: folder.classes))
    _count(report, checks)
    _compare(report, checks, allow_shared_images)
    report.remarks += [note for name, part in folder.parts.items() for note in indexed(root, name, part).remarks]
    if (masks := recognise_published(root)) is not None:
        command = command_for(root, ready_for_masks(masks)[0], options_for(masks))
        report.remarks.append(f"its masks, which are not checked here, are {masks.what}: {command}")
    _add_remarks(report, {})
    return _with_protocols(report, folder, ready_for_scenes(folder))


def _check_masks(root: Path, classes: Path | None, allow_shared_images: bool) -> Report:
    """Each part of a folder of masks in another layout than index PNGs."""
    if classes is not None:
        raise UserError("--classes is of no use here: the data say what their masks' pixels mean; leave it out")
    folder = not_none(recognise_masks(root, index_pngs=True))
    report = Report(str(root), folder.what)
    checks = mask_splits(folder)
    _count(report, checks)
    _compare(report, checks, allow_shared_images)
    _add_remarks(report, {})
    return _with_protocols(report, folder, ready_for_masks(folder))


def _with_protocols(report: Report, folder: Divided, found: tuple[list[str], list[str]]) -> Report:
    """Add which protocols train on a folder, and by what command."""
    ready, report.not_ready = found
    if options := options_for(folder):
        report.remarks.append(f"there is no part to measure on: {options} holds a fifth of the images out for it")
    report.ready = [] if report.faults else ready
    report.command = command_for(folder.root, report.ready, options)
    return report


def _check_labelled(root: Path, classes: Path | None, allow_shared_images: bool) -> Report:
    """Each part of a data set for classification; images that cannot be decoded are a fault."""
    if classes is not None:
        raise UserError("--classes is of no use here: the classes of an ImageFolder are its folders; leave it out")
    report = Report(str(root), Layout.IMAGE_FOLDER.value)
    try:
        found = recognise_labelled(root)
        report.layout = found.what if found else report.layout
        listed = listed_images(root)
    except MachineError:
        raise
    except UserError as error:
        report.faults.append(str(error))
        return report
    try:
        verify_splits(listed.splits)
    except MachineError:
        raise
    except UserError as error:
        report.faults.append(str(error))
    checks = labelled_splits(listed.splits, listed.classes)
    _count(report, checks)
    _compare(report, checks, allow_shared_images)
    _add_remarks(report, {})
    return _with_protocols(report, not_none(found), (list(NEEDS[Layout.IMAGE_FOLDER]), []))


def _count(report: Report, checks: Sequence[SplitCheck]) -> None:
    for check in checks:
        try:
            report.splits.append(check.count())
        except MachineError:
            raise
        except UserError as error:
            report.faults += texts(error)


def _compare(report: Report, checks: Sequence[SplitCheck], allow_shared_images: bool) -> None:
    """Images of two splits that are not both trained on are compared, as far as they are there."""
    compared: list[tuple[bool, SplitImages]] = []
    for check in checks:
        with suppress(UserError):  # which counting the split has told
            compared.append((check.trained, check.images()))
    for (trained, first), (also_trained, second) in combinations(compared, 2):
        shared = [] if trained and also_trained else shared_images(first, second)
        if shared and allow_shared_images:
            report.remarks.append(describe_shared(first, second, shared))
        elif shared:
            report.faults.append(f"{report.root}: {describe_shared(first, second, shared)}; {REMEDY}")


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
