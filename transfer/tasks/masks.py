"""A segmentor's data in other layouts than index PNGs: what the folder is taken for, and the data sets that read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.shared_images import SplitImages, count_shared
from backbones.errors import UserError, not_none
from transfer.data.absent_classes import absent_classes, tell
from transfer.data.masks.check import check_masks, mask_images
from transfer.data.masks.folder import MaskFolder, recognise_masks
from transfer.data.scenes.parts import describe_use, held_out_of
from transfer.data.scenes.scene import TRAIN
from transfer.tasks.task import SPLIT_NAMES, innermost_datasets

DATASET = "MaskDataset"
_MODULE = "transfer.mask_dataset"


def is_masks(config: Config) -> bool:
    """Whether the configuration's data sets read masks in other layouts."""
    return all(dataset.get("type") == DATASET for _, dataset in innermost_datasets(config))


def adopt_masks(config: Config, held_out: HeldOut | None = None) -> MaskFolder | None:
    """Have the data sets read what their folder holds, unless those of the protocol do.

    Args:
        config: Whose data sets have their folder.
        held_out: The part of the training images that is measured on; None where the data have one.

    Returns:
        What the folder is; None where nothing has changed.

    Raises:
        UserError: The folder cannot be read as what it seems to be.
    """
    datasets = [dataset for _, dataset in innermost_datasets(config)]
    if held_out is None and any(dataset.get("img_suffix", ".jpg") != ".jpg" for dataset in datasets):
        return None  # index PNGs beside images with another suffix, as they could always be named
    folder = recognise_masks(Path(datasets[0].data_root), index_pngs=held_out is not None)
    if folder is None:
        return None
    from transfer import mask_dataset  # noqa: F401 -- OpenMMLab can only be imported once its ops are answered for

    drawn = {} if held_out is None else {"held_out": dict(share=held_out.share, split_seed=held_out.seed)}
    for name, part in (("train", TRAIN), ("test", folder.measured)):
        for split, dataset in list(innermost_datasets(config)):
            if split == name:
                kept = {key: dataset[key] for key in ("data_root", "pipeline", "test_mode") if key in dataset}
                dataset.clear()
                dataset.update(type=DATASET, split=part, reduce_zero_label=False, **drawn, **kept)
                _read_masks(dataset.pipeline)
    _read_masks(config.get("tta_pipeline") or [])
    imports = config.get("custom_imports") or {"imports": []}
    config.custom_imports = {"imports": [*imports["imports"], _MODULE], "allow_failed_imports": False}
    return folder


def _read_masks(steps: Any) -> None:
    """Put the reading of masks in the place of mmseg's, at any depth of a pipeline."""
    for place, step in enumerate(steps):
        if isinstance(step, (list, tuple)):
            _read_masks(step)
        elif step.get("type") == "LoadAnnotations":
            steps[place] = ConfigDict(type="LoadMask")
        elif "transforms" in step:
            _read_masks(step.transforms)


def check_mask_data(config: Config, classes: tuple[str, ...], allow_shared_images: bool) -> dict[str, Any]:
    """Verify images and masks of the training and test part, and say what the folder is taken for.

    Raises:
        UserError: See ``transfer.data.masks.check``; the classes are others than the masks have; or the parts share
            images, and that is not allowed.
    """
    used = {name: dataset for name, dataset in innermost_datasets(config) if name != "val"}
    root = Path(used["train"].data_root)
    held_out = held_out_of(used["test"].get("held_out"))
    folder = not_none(recognise_masks(root, index_pngs=held_out is not None))
    if len(classes) != len(folder.classes):
        raise UserError(
            f"{len(classes)} classes are named, and the masks of {root} ({folder.what}) have {len(folder.classes)}; "
            "leave --classes out, or correct the list"
        )
    parts = (used["train"].split, used["test"].split)
    print(f"note: {root} is {folder.what}; {describe_use(*parts, held_out)}", flush=True)
    train, test = (check_masks(folder, part, held_out) for part in parts)
    for name, summary in zip(SPLIT_NAMES, (train, test), strict=True):
        tell(absent_classes(name, "pixels", summary.pixels))
    first, second = (
        SplitImages.of_stamps(name, root, mask_images(folder, part, held_out))
        for name, part in zip(SPLIT_NAMES, parts, strict=True)
    )
    shared = count_shared(first, second, allow_shared_images)
    return {
        "root": str(root.resolve()),
        "layout": folder.what,
        **({"split": held_out._asdict()} if held_out else {}),
        "train_images": train.images,
        "test_images": test.images,
        "fingerprint": f"{train.fingerprint[:16]}-{test.fingerprint[:16]}",
        **({"shared_images": shared} if allow_shared_images else {}),
    }
