"""A detector's data where they are no VOCdevkit: what the folder is taken for, and the data sets that read it so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.shared_images import SplitImages, count_shared
from backbones.errors import UserError, not_none
from transfer.data.absent_classes import absent_classes, tell
from transfer.data.scenes.check import check_scenes, scene_images
from transfer.data.scenes.choice import scenes_of
from transfer.data.scenes.formats.known import recognise_scenes, scenes_or_devkit
from transfer.data.scenes.parts import describe_use, held_out_of
from transfer.data.scenes.scene import TEST, TRAIN, VAL, SceneFolder
from transfer.tasks.task import SPLIT_NAMES, innermost_datasets

DATASET = "SceneDataset"
_MODULE = "transfer.scene_dataset"
_KEPT = ("data_root", "pipeline", "filter_cfg", "test_mode", "metainfo")  # of the data set whose place is taken


def is_scenes(config: Config) -> bool:
    """Whether the configuration's data sets read scenes."""
    return all(dataset.get("type") == DATASET for _, dataset in innermost_datasets(config))


def adopt_scenes(config: Config, held_out: HeldOut | None = None) -> SceneFolder | None:
    """Have the data sets read what their folder holds, unless that is a VOCdevkit, which they read themselves.

    Args:
        config: Whose data sets have their folder.
        held_out: The part of the training images that is measured on; None where the data have one.

    Returns:
        What the folder is; None where nothing has changed.

    Raises:
        UserError: The folder cannot be read as what it seems to be.
    """
    root = Path(next(dataset.data_root for _, dataset in innermost_datasets(config)))
    folder = scenes_or_devkit(root) if is_scenes(config) or held_out is not None else recognise_scenes(root)
    if folder is None:
        if is_scenes(config):
            raise UserError(f"{root} is in no format of boxes that is known; see 'Layouts' in docs/data.md")
        return None
    if not is_scenes(config):
        for name, part in (("train", TRAIN), ("test", VAL)):
            loader = config[f"{name}_dataloader"]
            loader.dataset = _replaced(loader.dataset, part)
    if held_out is not None:
        for _, dataset in innermost_datasets(config):
            dataset.held_out = dict(share=held_out.share, split_seed=held_out.seed)
    elif VAL not in folder.parts and TEST in folder.parts:
        for _, dataset in innermost_datasets(config):
            dataset.split = TEST if dataset.split == VAL else dataset.split
    from transfer import scene_dataset  # noqa: F401 -- OpenMMLab can only be imported once its ops are answered for

    imports = config.get("custom_imports") or {"imports": []}
    config.custom_imports = {"imports": [*imports["imports"], _MODULE], "allow_failed_imports": False}
    return folder


def _replaced(dataset: Any, part: str) -> ConfigDict:
    """The same with one set of scenes in the place of the files that it read; what repeats it stays."""
    if "datasets" in dataset:  # several years of a devkit
        return _replaced(dataset.datasets[0], part)
    if "dataset" in dataset:
        dataset.dataset = _replaced(dataset.dataset, part)
        return dataset
    return ConfigDict(type=DATASET, split=part, **{key: dataset[key] for key in _KEPT if key in dataset})


def check_scene_data(config: Config, classes: tuple[str, ...], allow_shared_images: bool) -> dict[str, Any]:
    """Verify images and boxes of the training and test part, and say what the folder is taken for.

    Raises:
        UserError: See ``transfer.data.scenes.check``; or the parts share images, and that is not allowed.
    """
    used = {name: dataset for name, dataset in innermost_datasets(config) if name != "val"}
    root = Path(used["train"].data_root)
    folder = not_none(scenes_or_devkit(root))
    parts = {name: (dataset.split, held_out_of(dataset.get("held_out"))) for name, dataset in used.items()}
    use = describe_use(parts["train"][0], *parts["test"])
    print(f"note: {root} is {folder.what}; {use}", flush=True)
    found, images = {}, []
    for (part, held_out), name in zip(parts.values(), SPLIT_NAMES, strict=True):
        found[name] = check_scenes(folder, part, classes, held_out)
        tell(scenes_of(folder, part, held_out).remarks)
        images.append(SplitImages.of_stamps(name, root, scene_images(folder, part, held_out)))
    for name, summary in found.items():
        tell(absent_classes(name, "objects", summary.objects))
    shared = count_shared(images[0], images[1], allow_shared_images)
    train, test = found.values()
    return {
        "root": str(root.resolve()),
        "layout": folder.what,
        **({"split": parts["test"][1]._asdict()} if parts["test"][1] else {}),
        "train_images": train.images,
        "test_images": test.images,
        "fingerprint": f"{train.fingerprint[:16]}-{test.fingerprint[:16]}",
        **({"shared_images": shared} if allow_shared_images else {}),
    }
